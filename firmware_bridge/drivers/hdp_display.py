"""Counter displays of the hall device profile."""

from device_profiles.capabilities.model import Command, Event, Identity, Nothing, Shape
from device_profiles.capabilities.signage import DisplayArgs, SignageStatus
from device_profiles.errors import HallRuleError
from device_profiles.hall.numbers import parse_number
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp_model import DeviceClass, Show
from firmware_bridge.drivers import arguments, unsupported
from firmware_bridge.drivers._hdp_modbus import open_unit
from firmware_bridge.drivers._hdp_unit import HdpUnit, Picture
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import UnsupportedCommand
from firmware_bridge.transports import Transport

_status = kept(SignageStatus)


class Driver:
    """A display. Text beyond 64 bytes of UTF-8 (21 Chinese characters) is cut at a whole character."""

    capability = "signage"

    def __init__(self, unit: HdpUnit) -> None:
        self._unit = unit

    async def identify(self) -> Identity:
        return await self._unit.identify()

    async def status(self) -> SignageStatus:
        return _status(device=await self._unit.state())

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "show":
            raise unsupported(self.capability, command)
        wanted = arguments(args, DisplayArgs)
        prefix, number = _ticket(wanted.ticket)
        mode = Show.WELCOME if wanted.ticket or wanted.text else Show.IDLE
        await self._unit.show(Picture(mode, prefix, number, wanted.counter, wanted.text))
        return Nothing()

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A display has no events."""

    def counters(self) -> dict[str, float]:
        return self._unit.counters.as_metrics()

    async def close(self) -> None:
        await self._unit.close()


def _ticket(text: str) -> tuple[int, int]:
    """Registers 11h and 12h; both 0 when no ticket is shown."""
    if not text:
        return 0, 0
    try:
        prefix, number = parse_number(text)
    except HallRuleError as error:
        raise UnsupportedCommand(f"show: {error}") from error
    return ord(prefix), number


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one display; ``transport`` is open before the first call."""
    return Driver(open_unit(profile, transport, clock, DeviceClass.DISPLAY))
