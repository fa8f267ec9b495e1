"""One unit on a Modbus RTU line, for drivers whose register map is data in the profile."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from device_profiles.capabilities.model import Action, Effect
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.modbus import (
    Bits,
    Function,
    ModbusCodec,
    Refused,
    Registers,
    Reply,
    Written,
    coils_written,
    encode_read,
    encode_write_coils,
    encode_write_registers,
    registers_written,
)
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_LONGEST_SPAN = 100  # within what one Modbus request may ask for: 125 registers
_READS_BITS = (Function.READ_COILS, Function.READ_DISCRETE)


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """One register, coil or discrete input: the function that reads it, and its address (from 0, as on the wire)."""

    function: Function
    address: int


class ModbusUnit:
    """Typed access to one unit. Calls raise LinkTimeout, TransportLost, DeviceFault, or PeerBrokeProtocol when the
    unit lacks what the profile demands.
    """

    def __init__(self, link: Link[Reply], unit: int) -> None:
        self.link = link
        self.unit = unit

    async def read(self, cells: Collection[Cell]) -> dict[Cell, int]:
        """The values of ``cells``, neighbours in one request; what lies between two cells is never asked for."""
        values: dict[Cell, int] = {}
        for first, count in spans(cells):
            for offset, value in enumerate(await self._read(first, count)):
                values[Cell(first.function, first.address + offset)] = value
        return values

    async def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Holding registers from ``address`` on, in one step."""
        data = encode_write_registers(self.unit, address, values)
        await self._write(data, registers_written(self.unit, address, values))

    async def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Coils from ``address`` on, in one step."""
        data = encode_write_coils(self.unit, address, values)
        await self._write(data, coils_written(self.unit, address, values))

    async def _read(self, first: Cell, count: int) -> tuple[int, ...]:
        data = encode_read(first.function, self.unit, first.address, count)
        # Modbus has no request numbers, and a reply to a read does not repeat the address: unit, function and length
        # are all there is to go by. The link drops the late answer of a read that was given up.
        whole = (count + 7) // 8 * 8 if first.function in _READS_BITS else count

        def accept(reply: Reply) -> bool:
            if isinstance(reply, Registers | Bits):
                return (reply.unit, reply.function, len(reply.values)) == (self.unit, first.function, whole)
            return self._is_refusal(data, reply)

        reply = await self.link.request(data, effect=Effect.READ, accept=accept)
        if isinstance(reply, Registers | Bits):
            return tuple(map(int, reply.values[:count]))
        raise refusal(reply)

    async def _write(self, data: bytes, expected: Written) -> None:
        def accept(reply: Reply) -> bool:
            return reply == expected or self._is_refusal(data, reply)

        reply = await self.link.request(data, effect=Effect.IDEMPOTENT, accept=accept)
        if isinstance(reply, Refused):
            raise refusal(reply)

    def _is_refusal(self, request: bytes, reply: Reply) -> bool:
        return isinstance(reply, Refused) and (reply.unit, reply.function) == (self.unit, request[1])


def spans(cells: Collection[Cell]) -> list[tuple[Cell, int]]:
    """(first cell, how many) of each run of neighbours."""
    found: list[tuple[Cell, int]] = []
    for cell in sorted(set(cells)):
        if found:
            first, count = found[-1]
            if count < _LONGEST_SPAN and cell == Cell(first.function, first.address + count):
                found[-1] = (first, count + 1)
                continue
        found.append((cell, 1))
    return found


def refusal(reply: Reply) -> BridgeError:
    """What a Modbus exception means to the caller."""
    if not isinstance(reply, Refused):
        return PeerBrokeProtocol(f"expected an answer or a Modbus exception, got {reply!r}")
    told = f"unit {reply.unit}: Modbus exception {reply.exception} to function {reply.function:02X}h"
    if reply.exception in (_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS):
        return PeerBrokeProtocol(f"{told}: this device lacks a register or coil that the profile's options name")
    if reply.exception == _ILLEGAL_VALUE:
        return DeviceFault("invalid_data", Action.SOFTWARE_ERROR, told)
    return DeviceFault("hardware_error", Action.MAINTENANCE, told)


def open_unit(profile: PeripheralProfile, transport: Transport, clock: Clock, unit: int) -> ModbusUnit:
    """The unit of that address on ``transport``."""
    timing = profile.timing
    link: Link[Reply] = Link(transport, ModbusCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return ModbusUnit(link, unit)
