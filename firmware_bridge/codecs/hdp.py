"""Hall device profile (HDP) over Modbus RTU: evaluator pads, counter displays and callers.

Source: hall device profile 1, binding Modbus RTU (our own open profile). The frames are those of ``codecs.modbus``,
with the units, functions and lengths that the profile has.
"""

from collections.abc import Sequence
from enum import IntEnum

from firmware_bridge.codecs import modbus
from firmware_bridge.codecs.hdp_model import MAGIC, TEXT_BYTES, DeviceClass, EventBlock, Show, cut_text
from firmware_bridge.codecs.modbus import Function, Refused, Registers, Written

EVENT_BLOCK = 0x00  # first of the seven input registers

_EVENT_BLOCK_SIZE = 7
_UNITS = range(1, 33)
_FUNCTIONS = frozenset((Function.READ_HOLDING, Function.READ_INPUT, Function.WRITE_REGISTER, Function.WRITE_REGISTERS))
_LONGEST_DATA = TEXT_BYTES + 2  # the largest block that the profile has: length and text

Reply = modbus.Reply


class Holding(IntEnum):
    """Holding registers."""

    COMMAND = 0x10
    TICKET_PREFIX = 0x11
    TICKET_NUMBER = 0x12
    COUNTER = 0x13
    EVENT_SEEN = 0x14  # last event sequence that the host has made durable
    TEXT_LENGTH = 0x1F  # in bytes
    TEXT = 0x20


def encode_read_events(unit: int) -> bytes:
    """Ask for the event block (function 04)."""
    return modbus.encode_read(Function.READ_INPUT, _known(unit), EVENT_BLOCK, _EVENT_BLOCK_SIZE)


def encode_read_holding(unit: int, address: int, count: int = 1) -> bytes:
    """Ask for holding registers (function 03)."""
    return modbus.encode_read(Function.READ_HOLDING, _known(unit), address, count)


def encode_write(unit: int, address: int, values: Sequence[int]) -> bytes:
    """Write registers in one step: function 06 for one, 10h for more."""
    return modbus.encode_write_registers(_known(unit), address, values)


def written(unit: int, address: int, values: Sequence[int]) -> Written:
    """The reply that ``encode_write`` with the same arguments should get."""
    return modbus.registers_written(unit, address, values)


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
    data = cut_text(text)
    filled = data.ljust(TEXT_BYTES)
    return [len(data), *(int.from_bytes(filled[at : at + 2], "big") for at in range(0, TEXT_BYTES, 2))]


class HdpCodec(modbus.ModbusCodec):
    """The receiving side, for replies of every unit on the line."""

    def __init__(self) -> None:
        super().__init__(_UNITS, _FUNCTIONS, _LONGEST_DATA)


def _known(unit: int) -> int:
    if unit not in _UNITS:
        raise ValueError(f"unit: expected {_UNITS.start} to {_UNITS.stop - 1}, got {unit}")
    return unit


__all__ = [
    "EVENT_BLOCK", "MAGIC", "TEXT_BYTES", "DeviceClass", "EventBlock", "HdpCodec", "Holding", "Refused", "Registers",
    "Reply", "Show", "Written", "encode_read_events", "encode_read_holding", "encode_write", "parse_event_block",
    "text_registers", "written",
]  # fmt: skip
