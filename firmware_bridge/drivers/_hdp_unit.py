"""One unit of the hall device profile (HDP) on a Modbus RTU line: who it is, how it is, its registers."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.model import Action, DeviceState, Effect, Identity
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp import (
    MAGIC,
    DeviceClass,
    EventBlock,
    HdpCodec,
    Refused,
    Registers,
    Reply,
    encode_read_events,
    encode_read_holding,
    encode_write,
    parse_event_block,
    written,
)
from firmware_bridge.drivers import options_of
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_VERSIONS = (1,)
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_FRESH_S = 0.1  # a poll that follows the status at once uses what that has read


class Options(BaseModel):
    """Quirks of a unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: int = Field(default=1, ge=1, le=32, description="Modbus address, set on the device")


@dataclass(frozen=True, slots=True)
class Sighting:
    """The event block, and the clock's time just before it was asked for."""

    block: EventBlock
    asked_at: float


class HdpUnit:
    """Typed access to one unit. Every call raises LinkTimeout, TransportLost, or PeerBrokeProtocol."""

    def __init__(self, link: Link[Reply], clock: Clock, unit: int, device_class: DeviceClass) -> None:
        self.link = link
        self.clock = clock
        self._unit = unit
        self._class = device_class
        self._for_poll: Sighting | None = None

    async def identify(self) -> Identity:
        block = (await self.look()).block
        if block.device_class != self._class:
            raise PeerBrokeProtocol(f"class: expected {self._class:d} ({self._class.name}), got {block.device_class}")
        return Identity(model=f"HDP {self._class.name.lower()}", firmware=f"profile {block.version}")

    async def state(self) -> DeviceState:
        """Online, or hardware error when a fault bit is set."""
        self._for_poll = await self.look()
        return DeviceState.HARDWARE_ERROR if self._for_poll.block.faults else DeviceState.ONLINE

    async def look(self) -> Sighting:
        """The event block now."""
        asked_at = self.clock.monotonic()
        values = await self._read(encode_read_events(self._unit))
        try:
            block = parse_event_block(values)
        except ValueError as error:
            raise PeerBrokeProtocol(str(error)) from error
        if block.magic != MAGIC or block.version not in _VERSIONS:
            got = f"{block.magic:04X}h version {block.version}"
            raise PeerBrokeProtocol(f"registers 0 and 1: expected {MAGIC:04X}h and version 1, got {got}")
        return Sighting(block, asked_at)

    async def look_for_poll(self) -> Sighting:
        """What ``state`` saw a moment ago, once; else a new look."""
        seen, self._for_poll = self._for_poll, None
        if seen is None or self.clock.monotonic() - seen.asked_at > _FRESH_S:
            return await self.look()
        return seen

    async def read(self, address: int) -> int:
        """One holding register."""
        values = await self._read(encode_read_holding(self._unit, address))
        return values[0]

    async def write(self, address: int, values: Sequence[int]) -> None:
        """Holding registers from ``address`` on, in one step."""

        data = encode_write(self._unit, address, values)
        expected = written(self._unit, address, values)

        def accept(reply: Reply) -> bool:
            return reply == expected or self._is_refusal(data, reply)

        reply = await self.link.request(data, effect=Effect.IDEMPOTENT, accept=accept)
        if isinstance(reply, Refused):
            raise _refusal(reply)

    async def _read(self, data: bytes) -> tuple[int, ...]:
        count = int.from_bytes(data[4:6], "big")

        def accept(reply: Reply) -> bool:
            if isinstance(reply, Registers):
                return (reply.unit, reply.function, len(reply.values)) == (self._unit, data[1], count)
            return self._is_refusal(data, reply)

        reply = await self.link.request(data, effect=Effect.READ, accept=accept)
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
    return HdpUnit(link, clock, options.unit, device_class)
