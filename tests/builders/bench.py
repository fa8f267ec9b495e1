"""A driver on a test bench: a profile's driver, its simulated device and a virtual clock between them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Shape
from device_profiles.catalog import Catalog, load_catalog
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from simulators.peripherals import Peer, build_peer


@dataclass
class Bench:
    """``peer`` is the device itself; what sits on the line may wrap it."""

    profile: PeripheralProfile
    peer: Peer
    clock: VirtualClock
    transport: MemoryTransport
    driver: Driver

    def press(self, button: str, *args: object, at: float | None = None, **kwargs: object) -> None:
        """Press a button of the device, now or ``at`` a time of the clock."""
        if at is None:
            self.peer.buttons[button](*args, **kwargs)
        else:
            self.clock.at(at, lambda: self.peer.buttons[button](*args, **kwargs))

    async def run(self, command: str, /, **args: object) -> Shape:
        """Execute a command of the profile's capability."""
        definition = CAPABILITIES[self.profile.capability].commands[command]
        return await self.driver.execute(definition, definition.args.model_validate(args))


@cache
def packaged() -> Catalog:
    """The packaged catalogue, read once: it cannot be changed."""
    return load_catalog()


async def open_bench(
    profile_id: str,
    *,
    options: dict[str, Any] | None = None,
    device: dict[str, Any] | None = None,
    wrap: Callable[[Peer], Peer] = lambda peer: peer,
    shared: dict[str, Any] | None = None,
) -> Bench:
    """A bench with the line open.

    ``options`` replace single ones of the profile, ``device`` those that only the simulated device knows (such as the
    length of its paper roll); ``wrap`` puts faults on the line.
    """
    known = packaged().peripheral(profile_id)
    profile = known.model_copy(update={"options": {**known.options, **(options or {})}})
    simulated = profile.model_copy(update={"options": {**profile.options, **(device or {})}})
    peer = build_peer(simulated, seed=1, shared={} if shared is None else shared)
    clock = VirtualClock()
    transport = MemoryTransport(wrap(peer), clock)
    await transport.open()
    return Bench(profile, peer, clock, transport, load_driver(profile, transport, clock))
