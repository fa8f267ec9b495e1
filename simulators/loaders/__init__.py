"""What updates a simulated device's firmware: flash, boot loaders, and power that can fail at any step.

``with_loader`` puts one around the application that a profile with ``[update]`` describes. The options of the simulated
device (``[simulator]``): ``firmware`` the version it leaves the factory with, ``slot_bytes``, ``page_bytes``,
``smp_buffer``, ``watchdog_s``.
"""

from collections.abc import Callable

from simulators.peripherals.peer import Peer, Surroundings

Application = Callable[[str], Peer]
"""Starts the application of a firmware version, as after power-on."""


def with_loader(around: Surroundings, application: Application) -> Peer:
    """The device with its boot loader. ``around`` is that of a profile with ``[update]``."""
    update = around.profile.update
    if update is not None and update.method == "smp":
        from simulators.loaders.smp_device import SmpDevice  # here: only such a device needs it

        return SmpDevice(around, application)
    from simulators.loaders.modem_device import ModemDevice

    return ModemDevice(around, application)
