"""One unit on a Modbus RTU line, for drivers whose register map is data in the profile."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

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


class Cell(NamedTuple):
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

    def sweep(self, cells: Collection[Cell]) -> "Sweep":
        """``cells`` to be read together, as often as wanted."""
        return Sweep(self.link, [_Read(self.unit, first, count) for first, count in spans(cells)])

    async def write_registers(self, address: int, values: Sequence[int]) -> None:
        """Holding registers from ``address`` on, in one step."""
        data = encode_write_registers(self.unit, address, values)
        await self._write(data, registers_written(self.unit, address, values))

    async def write_coils(self, address: int, values: Sequence[bool]) -> None:
        """Coils from ``address`` on, in one step."""
        data = encode_write_coils(self.unit, address, values)
        await self._write(data, coils_written(self.unit, address, values))

    async def _write(self, data: bytes, expected: Written) -> None:
        def accept(reply: Reply) -> bool:
            return reply == expected or _is_refusal(data, reply)

        reply = await self.link.request(data, effect=Effect.IDEMPOTENT, accept=accept)
        if isinstance(reply, Refused):
            raise refusal(reply)


class Sweep:
    """Reads the same cells again and again, neighbours in one request; what lies between two is never asked for."""

    def __init__(self, link: Link[Reply], reads: "Sequence[_Read]") -> None:
        self._link = link
        self._reads = reads

    async def read(self) -> dict[Cell, int]:
        """The values of the cells now; raises as the calls of ``ModbusUnit`` do."""
        values: dict[Cell, int] = {}
        for read in self._reads:
            reply = await self._link.request(read.data, effect=Effect.READ, accept=read.is_answered_by)
            if not isinstance(reply, Registers | Bits):
                raise refusal(reply)
            values.update(zip(read.cells, reply.values, strict=False))  # bits come in whole bytes
        return values


class _Read:
    """The request for ``count`` neighbours.

    Modbus has no request numbers, and a reply to a read does not repeat the address: unit, function and length are all
    there is to go by. The link drops the late answer of a read that was given up.
    """

    def __init__(self, unit: int, first: Cell, count: int) -> None:
        self.data = encode_read(first.function, unit, first.address, count)
        self.cells = [Cell(first.function, first.address + offset) for offset in range(count)]
        self._answer = (unit, first.function, (count + 7) // 8 * 8 if first.function in _READS_BITS else count)

    def is_answered_by(self, reply: Reply) -> bool:
        if isinstance(reply, Registers | Bits):
            return (reply.unit, reply.function, len(reply.values)) == self._answer
        return _is_refusal(self.data, reply)


def _is_refusal(request: bytes, reply: Reply) -> bool:
    return isinstance(reply, Refused) and (reply.unit, reply.function) == (request[0], request[1])


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
