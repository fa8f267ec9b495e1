"""Sanwa CRP-1231 card unit with a magnetic head and a rewritable face.

Source: two public emulators of the unit (YACardEmu, and a second one on Linux that agrees on the status values): the
manual is not public, check on the device. Host ``02 CNT CMD 00 00 00 DATA 03 SUM``; the unit sends 06 or 15 and works;
each 05 (ENQ) of the host is answered with ``02 CNT CMD R P S DATA 03 SUM`` of the last command, S = 33h while it still
runs. CNT counts from itself to 03; SUM is the XOR of the same bytes. DATA may hold any byte: CNT decides.

7Ch, print: mode 31h (now), 30h (clear the buffer first), the line to begin at, then the text with CR between lines.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from firmware_bridge.codecs.handshake import Handshake, HandshakeCodec
from firmware_bridge.framing.buffer import NEED_MORE, Found, frame, skip
from firmware_bridge.framing.checksums import xor8

ENQUIRY = b"\x05"
LONGEST_DATA = 0xFF - 6  # CNT is one byte: itself, CMD, three bytes, DATA, 03

_STX, _ETX = 0x02, 0x03
_LEAST_COUNT = 6
_CONTROLS = {0x06: Handshake.ACK, 0x15: Handshake.NAK}
_PRINT_NOW, _CLEAR_BUFFER, _FIRST_LINE, _LINE_END = 0x31, 0x30, 0x30, b"\r"


class Cmd(IntEnum):
    """Commands."""

    INIT = 0x10
    STATUS = 0x20
    CANCEL = 0x40
    PRINT = 0x7C
    ERASE = 0x7D
    EJECT = 0x80
    DISPENSE = 0xB0
    VERSION = 0xF0


INIT_STANDARD = b"\x30"  # DATA of INIT
DISPENSER_CHECK = b"\x32"  # DATA of DISPENSE: look only


class Card(IntEnum):
    """R on the LR model: where the card is."""

    NONE = 0x30
    READ_WRITE_HEAD = 0x31
    THERMAL_HEAD = 0x32
    DISPENSER = 0x33
    EJECTED = 0x34


class Trouble(IntEnum):
    """P."""

    NONE = 0x30
    READ = 0x31
    WRITE = 0x32
    JAM = 0x33
    MOTOR = 0x34
    PRINT = 0x35
    ILLEGAL = 0x38
    BATTERY = 0x40
    SYSTEM = 0x41


class Job(IntEnum):
    """S."""

    NONE = 0x30
    ILLEGAL = 0x32
    RUNNING = 0x33
    WAITING_FOR_CARD = 0x34
    DISPENSER_EMPTY = 0x35
    NO_DISPENSER = 0x36
    DISPENSER_FULL = 0x37


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to ENQ: ``card``, ``trouble`` and ``job`` are R, P and S as sent."""

    command: int
    card: int
    trouble: int
    job: int
    data: bytes = field(default=b"", repr=False)  # may be a card's content: personal


Reply = Handshake | Answer


def encode(command: int, data: bytes = b"") -> bytes:
    """A host frame. Raises ValueError for too much data."""
    if len(data) > LONGEST_DATA:
        raise ValueError(f"data: expected at most {LONGEST_DATA} bytes, got {len(data)}")
    checked = bytes((_LEAST_COUNT + len(data), command, 0, 0, 0)) + data + bytes((_ETX,))
    return bytes((_STX,)) + checked + bytes((xor8(checked),))


def print_data(lines: Sequence[str], charset: str) -> bytes:
    """DATA of PRINT. Raises ValueError for a line that would steer the unit, cannot be encoded, or does not fit."""
    for number, line in enumerate(lines, 1):
        if any(unicodedata.category(char) == "Cc" for char in line):
            raise ValueError(f"line {number}: expected no control characters")
    try:
        text = _LINE_END.join(line.encode(charset) for line in lines)
    except UnicodeEncodeError as error:
        raise ValueError(
            f"expected characters that {charset} has, got U+{ord(error.object[error.start]):04X}"
        ) from None
    data = bytes((_PRINT_NOW, _CLEAR_BUFFER, _FIRST_LINE)) + text
    if len(data) > LONGEST_DATA:
        raise ValueError(f"expected at most {LONGEST_DATA - 3} bytes of text, got {len(text)}")
    return data


def sanwa_crp_codec() -> HandshakeCodec[Answer]:
    """The receiving side."""
    return HandshakeCodec(_find, _parse, _CONTROLS, 0xFF + 2)


def _find(pending: bytes) -> Found:
    if pending[0] != _STX:
        return skip(1)
    if len(pending) < 2:
        return NEED_MORE
    count = pending[1]
    if count < _LEAST_COUNT:
        return skip(1)
    if len(pending) < count + 2:
        return NEED_MORE
    whole = pending[count] == _ETX and xor8(pending[1 : count + 1]) == pending[count + 1]
    return frame(count + 2) if whole else skip(1)


def _parse(data: bytes) -> Answer:
    return Answer(command=data[2], card=data[3], trouble=data[4], job=data[5], data=data[6:-2])
