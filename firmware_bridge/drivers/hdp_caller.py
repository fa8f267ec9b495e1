"""Callers of the hall device profile: the clerk's seven keys."""

from device_profiles.capabilities.caller import CallerKey, CallerStatus, KeyPressed
from device_profiles.capabilities.model import Command, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp_model import DeviceClass
from firmware_bridge.drivers import unsupported
from firmware_bridge.drivers._hdp_events import HeldEvents
from firmware_bridge.drivers._hdp_modbus import open_unit
from firmware_bridge.drivers._hdp_unit import HdpUnit
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import PeerBrokeProtocol
from firmware_bridge.transports import Transport

KEYS = dict(enumerate(CallerKey, 1))  # event codes of the profile, in the order of the keys

_status = kept(CallerStatus)


class Driver:
    """A caller: every press is reported once."""

    capability = "caller"

    def __init__(self, unit: HdpUnit) -> None:
        self._unit = unit
        self._events = HeldEvents(unit)

    async def identify(self) -> Identity:
        return await self._unit.identify()

    async def status(self) -> CallerStatus:
        return _status(device=await self._unit.state())

    async def execute(self, command: Command, args: Shape) -> Shape:
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        held = await self._events.waiting()
        if held is None:
            return []
        if held.code not in KEYS:
            await self._events.drop(held)
            raise PeerBrokeProtocol(
                f"event {held.sequence}: expected a key code from 1 to {len(KEYS)}, got {held.code}"
            )
        return [held.event(KeyPressed(key=KEYS[held.code]))]

    async def confirm(self, event: Event) -> None:
        await self._events.confirm(event)

    def counters(self) -> dict[str, float]:
        return self._unit.counters.as_metrics()

    async def close(self) -> None:
        await self._unit.close()


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one caller; ``transport`` is open before the first call."""
    return Driver(open_unit(profile, transport, clock, DeviceClass.CALLER))
