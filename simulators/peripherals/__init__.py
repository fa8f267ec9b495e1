"""Simulated peripherals, one module per protocol family; ``build_peer`` finds the module by the profile's driver."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from itertools import accumulate
from typing import Any

from device_profiles.schema.peripheral import PeripheralProfile
from simulators.errors import UnknownName
from simulators.peripherals.peer import Output, Peer, Surroundings

__all__ = ["Output", "Peer", "build_peer"]


def build_peer(profile: PeripheralProfile, seed: int, shared: dict[str, Any], speed: float = 1.0) -> Peer:
    """The simulated device of a profile. Devices of one machine get the same ``shared`` (people, card path).

    The module is named like the driver, or like the driver's family (``hdp_smp_caller`` -> ``hdp_smp``, ``hdp_display``
    -> ``hdp``). The same seed and
    the same input give the same output. Raises UnknownName when there is no module.
    """
    known = {**profile.options, **profile.simulator}
    around = Surroundings(profile.model_copy(update={"options": known}), seed, shared, speed)
    names = ["_".join(words) for words in accumulate([word] for word in profile.driver.split("_"))]
    for name in reversed(names):
        if find_spec(f"{__name__}.{name}") is not None:
            open_peer = import_module(f"{__name__}.{name}").open_peer
            peer: Peer = _with_loader(around, open_peer) if profile.update is not None else open_peer(around)
            return peer
    raise UnknownName(
        f"{profile.id}: expected a module {profile.driver}.py or {names[0]}.py in simulators/peripherals, found none"
    )


def _with_loader(around: Surroundings, open_peer: Callable[[Surroundings], Peer]) -> Peer:
    """The device inside its boot loader, which starts the application anew with each firmware."""
    from simulators.loaders import with_loader  # here: loaders are devices themselves and import this package

    def application(firmware: str) -> Peer:
        options = {**around.profile.options, "firmware": firmware}
        return open_peer(replace(around, profile=around.profile.model_copy(update={"options": options})))

    return with_loader(around, application)
