"""Modbus RTU, the master's side: sensors, contacts, lights, and whatever else speaks it on RS-485.

Source: MODBUS application protocol 1.1b3 (functions 01 to 06, 0F, 10h, exceptions) and MODBUS over serial line 1.02
(unit, function, data, CRC-16 low byte first). Replies are cut out of the stream by function and length, with the CRC as
the proof (a pseudo-terminal has no silences to go by). The tests compare all of it with pymodbus.
"""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from firmware_bridge.framing.checksums import crc16_modbus


class Function(IntEnum):
    """What a master may ask for."""

    READ_COILS = 0x01
    READ_DISCRETE = 0x02
    READ_HOLDING = 0x03
    READ_INPUT = 0x04
    WRITE_COIL = 0x05
    WRITE_REGISTER = 0x06
    WRITE_COILS = 0x0F
    WRITE_REGISTERS = 0x10


ALL_UNITS = range(1, 248)
ALL_FUNCTIONS = frozenset(Function)
MOST_DATA = 250  # bytes in one reply to a read: 125 registers, 2000 bits

_READ_BITS = (Function.READ_COILS, Function.READ_DISCRETE)
_READ_REGISTERS = (Function.READ_HOLDING, Function.READ_INPUT)
_CRC = 2
_MOST_READ = {**dict.fromkeys(_READ_BITS, 2000), **dict.fromkeys(_READ_REGISTERS, 125)}
_MOST_COILS, _MOST_REGISTERS = 0x7B0, 0x7B  # in one write
_COIL_ON = 0xFF00


@dataclass(frozen=True, slots=True)
class Registers:
    """Answer to a read of registers."""

    unit: int
    function: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bits:
    """Answer to a read of coils or discrete inputs: whole bytes, so up to seven more than were asked for."""

    unit: int
    function: int
    values: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Answer to a write: ``count`` registers or coils from ``address`` on; ``value`` is echoed for a single one only
    (a coil: 1 or 0).
    """

    unit: int
    function: int
    address: int
    count: int
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Modbus exception: 1 function, 2 address, 3 value, 4 device failure."""

    unit: int
    function: int
    exception: int


Reply = Registers | Bits | Written | Refused


def encode_read(function: Function, unit: int, address: int, count: int = 1) -> bytes:
    """Ask for ``count`` coils, discrete inputs or registers from ``address`` on."""
    if function not in _MOST_READ:
        raise ValueError(f"function: expected a read (1 to 4), got {function:02X}h")
    return _frame(unit, function, address, _counted(count, _MOST_READ[function]))


def encode_write_registers(unit: int, address: int, values: Sequence[int]) -> bytes:
    """Write registers in one step: function 06 for one, 10h for more."""
    if len(values) == 1:
        return _frame(unit, Function.WRITE_REGISTER, address, values[0])
    count = _counted(len(values), _MOST_REGISTERS)
    try:
        data = struct.pack(f">{count}H", *values)
    except struct.error as error:
        raise ValueError(f"values: expected 0 to FFFFh, got {list(values)}") from error
    return _frame(unit, Function.WRITE_REGISTERS, address, count, data)


def registers_written(unit: int, address: int, values: Sequence[int]) -> Written:
    """The reply that ``encode_write_registers`` with the same arguments should get."""
    if len(values) == 1:
        return Written(unit, Function.WRITE_REGISTER, address, 1, values[0])
    return Written(unit, Function.WRITE_REGISTERS, address, len(values))


def encode_write_coils(unit: int, address: int, values: Sequence[bool]) -> bytes:
    """Write coils in one step: function 05 for one, 0Fh for more."""
    if len(values) == 1:
        return _frame(unit, Function.WRITE_COIL, address, _COIL_ON if values[0] else 0)
    count = _counted(len(values), _MOST_COILS)
    bits = sum(1 << at for at, value in enumerate(values) if value)
    return _frame(unit, Function.WRITE_COILS, address, count, bits.to_bytes((count + 7) // 8, "little"))


def coils_written(unit: int, address: int, values: Sequence[bool]) -> Written:
    """The reply that ``encode_write_coils`` with the same arguments should get."""
    if len(values) == 1:
        return Written(unit, Function.WRITE_COIL, address, 1, int(values[0]))
    return Written(unit, Function.WRITE_COILS, address, len(values))


class ModbusCodec:
    """The receiving side, for replies of every unit on the line.

    A profile that says which ``units``, ``functions`` and ``longest_data`` (bytes in a reply to a read) there are
    finds its way out of noise sooner.
    """

    def __init__(
        self,
        units: range = ALL_UNITS,
        functions: Collection[int] = ALL_FUNCTIONS,
        longest_data: int = MOST_DATA,
    ) -> None:
        self._units = units
        self._functions = functions
        self._longest_data = longest_data
        self._buffer = FrameBuffer(self._find, 3 + longest_data + _CRC)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        found = self._buffer.next()
        return None if found is None else _reply(found)

    def reset(self) -> None:
        self._buffer.reset()

    def _find(self, pending: bytes) -> Found:
        size = self._size(pending)
        if size < 0:
            return skip(1)
        if 0 < size <= len(pending):
            return frame(size) if _checked(pending[:size]) else skip(1)
        # Noise may look like the head of a long reply: do not let it hide the whole frame that stands behind it.
        behind = next((at for at in range(1, len(pending)) if self._starts_whole(pending[at:])), 0)
        return skip(behind) if behind else NEED_MORE

    def _starts_whole(self, pending: bytes) -> bool:
        size = self._size(pending)
        return 0 < size <= len(pending) and _checked(pending[:size])

    def _size(self, pending: bytes) -> int:
        """Length of the reply that ``pending`` begins with; 0 when it cannot be told yet, -1 when it is none."""
        if pending[0] not in self._units:
            return -1
        if len(pending) < 2:
            return 0
        function = pending[1] & 0x7F
        if function not in self._functions:
            return -1
        if pending[1] & 0x80:
            return 3 + _CRC
        if function in _READ_BITS or function in _READ_REGISTERS:
            return self._read_size(pending)
        return 6 + _CRC

    def _read_size(self, pending: bytes) -> int:
        if len(pending) < 3:
            return 0
        count = pending[2]
        whole = count % 2 == 0 or pending[1] in _READ_BITS
        return 3 + count + _CRC if whole and 0 < count <= self._longest_data else -1


def _frame(unit: int, function: int, address: int, number: int, data: bytes = b"") -> bytes:
    """A request; ``number`` is a count or a value, and a write of several brings ``data``."""
    if unit not in ALL_UNITS:
        raise ValueError(f"unit: expected {ALL_UNITS.start} to {ALL_UNITS.stop - 1}, got {unit}")
    if not 0 <= address <= 0xFFFF or not 0 <= number <= 0xFFFF:
        raise ValueError(f"address and value: expected 0 to FFFFh, got {address} and {number}")
    head = struct.pack(">BBHH", unit, function, address, number)
    body = head + bytes((len(data),)) + data if data else head
    return body + crc16_modbus(body).to_bytes(_CRC, "little")


def _counted(count: int, most: int) -> int:
    if not 1 <= count <= most:
        raise ValueError(f"count: expected 1 to {most}, got {count}")
    return count


def _reply(found: bytes) -> Reply:
    """What a whole frame of a known function says."""
    unit, function = found[0], found[1]
    if function & 0x80:
        return Refused(unit, function & 0x7F, found[2])
    if function in _READ_REGISTERS:
        return Registers(unit, function, struct.unpack_from(f">{found[2] // 2}H", found, 3))
    if function in _READ_BITS:
        return Bits(unit, function, tuple(byte >> bit & 1 == 1 for byte in found[3:-_CRC] for bit in range(8)))
    address, number = struct.unpack_from(">HH", found, 2)
    if function == Function.WRITE_COIL:
        return Written(unit, function, address, 1, int(number != 0))
    if function == Function.WRITE_REGISTER:
        return Written(unit, function, address, 1, number)
    return Written(unit, function, address, number)


def _checked(data: bytes) -> bool:
    return crc16_modbus(data[:-_CRC]).to_bytes(_CRC, "little") == data[-_CRC:]
