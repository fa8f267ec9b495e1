"""A unit of the hall device profile (HDP) on a Modbus RTU line: its registers."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.model import Action, Effect
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp import (
    HdpCodec,
    Holding,
    Refused,
    Registers,
    Reply,
    encode_read_events,
    encode_read_holding,
    encode_write,
    parse_event_block,
    text_registers,
    written,
)
from firmware_bridge.codecs.hdp_model import DeviceClass, EventBlock, Show
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._hdp_unit import HdpUnit, Picture
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link, LinkCounters
from firmware_bridge.transports import Transport

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3


class Options(BaseModel):
    """Quirks of a unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: int = Field(default=1, ge=1, le=32, description="Modbus address, set on the device")


class ModbusUnit(HdpUnit):
    """The Modbus RTU binding."""

    def __init__(self, link: Link[Reply], clock: Clock, unit: int, device_class: DeviceClass) -> None:
        super().__init__(clock, device_class)
        self._link = link
        self._unit = unit

    @property
    def counters(self) -> LinkCounters:
        return self._link.counters

    async def event_block(self) -> EventBlock:
        values = await self._read(encode_read_events(self._unit))
        try:
            return parse_event_block(values)
        except ValueError as error:
            raise PeerBrokeProtocol(str(error)) from error

    async def event_seen(self) -> int:
        values = await self._read(encode_read_holding(self._unit, Holding.EVENT_SEEN))
        return values[0]

    async def let_go(self, sequence: int) -> None:
        await self._write(Holding.EVENT_SEEN, [sequence])

    async def show_mode(self, mode: Show) -> None:
        await self._write(Holding.COMMAND, [mode])

    async def show(self, picture: Picture) -> None:
        # The text first, then number and mode in one step: both do not fit into one.
        await self._write(Holding.TEXT_LENGTH, text_registers(picture.text))
        await self._write(Holding.COMMAND, [picture.mode, picture.prefix, picture.number, picture.counter])

    async def close(self) -> None:
        await self._link.close()

    async def _write(self, address: int, values: Sequence[int]) -> None:
        data = encode_write(self._unit, address, values)
        expected = written(self._unit, address, values)

        def accept(reply: Reply) -> bool:
            return reply == expected or self._is_refusal(data, reply)

        reply = await self._link.request(data, effect=Effect.IDEMPOTENT, accept=accept)
        if isinstance(reply, Refused):
            raise _refusal(reply)

    async def _read(self, data: bytes) -> tuple[int, ...]:
        count = int.from_bytes(data[4:6], "big")

        def accept(reply: Reply) -> bool:
            if isinstance(reply, Registers):
                return (reply.unit, reply.function, len(reply.values)) == (self._unit, data[1], count)
            return self._is_refusal(data, reply)

        reply = await self._link.request(data, effect=Effect.READ, accept=accept)
        if isinstance(reply, Registers):
            return reply.values
        raise _refusal(reply)

    def _is_refusal(self, request: bytes, reply: Reply) -> bool:
        return isinstance(reply, Refused) and (reply.unit, reply.function) == (self._unit, request[1])


def _refusal(reply: Reply) -> BridgeError:
    if not isinstance(reply, Refused):
        return PeerBrokeProtocol(f"expected an answer or a Modbus exception, got {reply!r}")
    told = f"unit {reply.unit}: Modbus exception {reply.exception} to function {reply.function:02X}h"
    if reply.exception in (_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS):
        return PeerBrokeProtocol(f"{told}: this device lacks a register that the profile demands")
    if reply.exception == _ILLEGAL_VALUE:
        return DeviceFault("invalid_data", Action.SOFTWARE_ERROR, told)
    return DeviceFault("hardware_error", Action.MAINTENANCE, told)


def open_unit(profile: PeripheralProfile, transport: Transport, clock: Clock, device_class: DeviceClass) -> HdpUnit:
    """A unit as the profile describes it."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(transport, HdpCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return ModbusUnit(link, clock, options.unit, device_class)
