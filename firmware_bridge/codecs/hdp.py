"""Hall device profile (HDP) over Modbus RTU: evaluator pads, counter displays and callers.

Source: hall device profile 1, binding Modbus RTU (our own open profile); Modbus application protocol 1.1b3 for the
frames. pymodbus builds the requests and decodes the replies. It does not cut them out of the stream: its
``handleFrame`` loses a valid reply that stands behind a stale frame in one read, so that is done here by function and
length, with the CRC as the proof (a pseudo terminal has no silences to go by).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from firmware_bridge.framing.checksums import crc16_modbus

MAGIC = 0x4844  # "HD"
EVENT_BLOCK = 0x00  # first of the seven input registers
TEXT_BYTES = 64  # registers 20h to 3Fh

_EVENT_BLOCK_SIZE = 7
_READ_HOLDING, _READ_INPUT, _WRITE_ONE, _WRITE_MANY = 0x03, 0x04, 0x06, 0x10
_UNITS = range(1, 33)
_LONGEST_DATA = TEXT_BYTES + 2  # the largest block that the profile has: length and text
_LONGEST_FRAME = 3 + _LONGEST_DATA + 2
_CRC = 2


class DeviceClass(IntEnum):
    """Input register 2."""

    EVALUATOR = 1
    DISPLAY = 2
    CALLER = 3


class Holding(IntEnum):
    """Holding registers."""

    COMMAND = 0x10
    TICKET_PREFIX = 0x11
    TICKET_NUMBER = 0x12
    COUNTER = 0x13
    EVENT_SEEN = 0x14  # last event sequence that the host has made durable
    TEXT_LENGTH = 0x1F  # in bytes
    TEXT = 0x20


class Show(IntEnum):
    """Values of the command register."""

    IDLE = 0
    WELCOME = 1
    ASK_RATING = 2
    THANKS = 3
    PAUSED = 4


@dataclass(frozen=True, slots=True)
class Registers:
    """Answer to a read."""

    unit: int
    function: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Answer to a write: ``count`` registers from ``address`` on; ``value`` is echoed for a single one only."""

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


Reply = Registers | Written | Refused


@dataclass(frozen=True, slots=True)
class EventBlock:
    """Input registers 0 to 6. ``code`` 0: no event yet; ``age_s`` is how long ago the event happened."""

    magic: int
    version: int
    device_class: int
    faults: int
    sequence: int
    code: int
    age_s: float


def encode_read_events(unit: int) -> bytes:
    """Ask for the event block (function 04)."""
    return _request(ReadInputRegistersRequest(dev_id=unit, address=EVENT_BLOCK, count=_EVENT_BLOCK_SIZE))


def encode_read_holding(unit: int, address: int, count: int = 1) -> bytes:
    """Ask for holding registers (function 03)."""
    return _request(ReadHoldingRegistersRequest(dev_id=unit, address=address, count=count))


def encode_write(unit: int, address: int, values: Sequence[int]) -> bytes:
    """Write registers in one step: function 06 for one, 10h for more."""
    if len(values) == 1:
        return _request(WriteSingleRegisterRequest(dev_id=unit, address=address, registers=list(values)))
    return _request(WriteMultipleRegistersRequest(dev_id=unit, address=address, registers=list(values)))


def written(unit: int, address: int, values: Sequence[int]) -> Written:
    """The reply that ``encode_write`` with the same arguments should get."""
    if len(values) == 1:
        return Written(unit, _WRITE_ONE, address, 1, values[0])
    return Written(unit, _WRITE_MANY, address, len(values))


def parse_event_block(values: Sequence[int]) -> EventBlock:
    """The seven registers of a reply to ``encode_read_events``; raises ValueError for another number of them."""
    if len(values) != _EVENT_BLOCK_SIZE:
        raise ValueError(f"event block: expected {_EVENT_BLOCK_SIZE} registers, got {len(values)}")
    magic, version, device_class, faults, sequence, code, age = values
    return EventBlock(magic, version, device_class, faults, sequence, code, age / 10)


def text_registers(text: str) -> list[int]:
    """Text as registers 1Fh to 3Fh: length in bytes, then UTF-8, two bytes a register, high byte first.

    What does not fit into 64 bytes is cut at a whole character; the rest is filled with spaces.
    """
    data = text.encode("utf-8", "replace")[:TEXT_BYTES].decode("utf-8", "ignore").encode("utf-8")
    filled = data.ljust(TEXT_BYTES)
    return [len(data), *(int.from_bytes(filled[at : at + 2], "big") for at in range(0, TEXT_BYTES, 2))]


class HdpCodec:
    """The receiving side, for replies of every unit on the line."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, _LONGEST_FRAME)
        self._decoder = DecodePDU(is_server=False)
        self._ignored = 0

    @property
    def discarded(self) -> int:
        return self._buffer.discarded + self._ignored

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        while (found := self._buffer.next()) is not None:
            pdu = self._decoder.decode(found[1:-_CRC])
            if pdu is not None:
                return _reply(found[0], pdu)
            self._ignored += len(found)
        return None

    def reset(self) -> None:
        self._buffer.reset()


def _request(pdu: ModbusPDU) -> bytes:
    if pdu.dev_id not in _UNITS:
        raise ValueError(f"unit: expected {_UNITS.start} to {_UNITS.stop - 1}, got {pdu.dev_id}")
    return FramerRTU(DecodePDU(is_server=False)).buildFrame(pdu)


def _reply(unit: int, pdu: ModbusPDU) -> Reply:
    if isinstance(pdu, ExceptionResponse):
        return Refused(unit, pdu.function_code & 0x7F, pdu.exception_code)
    if pdu.function_code in (_READ_HOLDING, _READ_INPUT):
        return Registers(unit, pdu.function_code, tuple(pdu.registers))
    if pdu.function_code == _WRITE_ONE:
        return Written(unit, _WRITE_ONE, pdu.address, 1, pdu.registers[0])
    return Written(unit, _WRITE_MANY, pdu.address, pdu.count)


def _find(pending: bytes) -> Found:
    size = _size(pending)
    if size < 0:
        return skip(1)
    if 0 < size <= len(pending):
        return frame(size) if _checked(pending[:size]) else skip(1)
    # Noise may look like the head of a long reply: do not let it hide the whole frame that stands behind it.
    behind = next((at for at in range(1, len(pending)) if _starts_whole(pending[at:])), 0)
    return skip(behind) if behind else NEED_MORE


def _starts_whole(pending: bytes) -> bool:
    size = _size(pending)
    return 0 < size <= len(pending) and _checked(pending[:size])


def _size(pending: bytes) -> int:
    """Length of the reply that ``pending`` begins with; 0 when it cannot be told yet, -1 when it is none."""
    if pending[0] not in _UNITS:
        return -1
    if len(pending) < 2:
        return 0
    function = pending[1]
    if function in (_READ_HOLDING, _READ_INPUT):
        return _read_size(pending)
    if function in (_WRITE_ONE, _WRITE_MANY):
        return 6 + _CRC
    return 3 + _CRC if function & 0x80 and function & 0x7F in (3, 4, 6, 16) else -1


def _read_size(pending: bytes) -> int:
    if len(pending) < 3:
        return 0
    count = pending[2]
    return 3 + count + _CRC if count % 2 == 0 and 0 < count <= _LONGEST_DATA else -1


def _checked(data: bytes) -> bool:
    return crc16_modbus(data[:-_CRC]).to_bytes(_CRC, "little") == data[-_CRC:]
