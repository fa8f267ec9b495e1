"""Star TCP300 and TCP300II rewritable card printers.

Source: Star Micronics TCP300 and TCP300II product specification manuals, commands. Host frame
``02 CMD DATA 03 BCC``, at most 1024 bytes of data, BCC the XOR of CMD to 03; the printer sends 06, 15 (damaged) or
10h (rejected), then, up to 3 s later, ``02 CMD STATUS DATA 03 BCC``, and wants 06 back. DATA never holds 02 or 03.

Our reading of the print data of 41h: the manual calls it text with ESC control data and line feed control data; a line
ends with CR LF, text is GB18030 on the Chinese model. The control header in front may be left out, and is.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs.handshake import Handshake, HandshakeCodec
from firmware_bridge.framing.buffer import NEED_MORE, Found, frame, skip
from firmware_bridge.framing.checksums import xor8

LONGEST_DATA = 1024

_STX, _ETX = 0x02, 0x03
_LINE_END = b"\r\n"
_LOWEST_COMMAND = 0x20
_SHORTEST, _LONGEST = 5, LONGEST_DATA + 5
_CONTROLS = {0x06: Handshake.ACK, 0x15: Handshake.NAK, 0x10: Handshake.REJECT}


class Cmd(IntEnum):
    """Commands."""

    CLEAR_BUFFER = 0x40
    PRINT_DATA = 0x41
    ERASE_PRINT_EJECT = 0x46
    ROM_VERSION = 0x58
    STATUS = 0x59
    RESET = 0x5F
    COUNTERS = 0x95


class Result(IntEnum):
    """STATUS of an answer."""

    OK = 0x20
    NO_CARD = 0x22
    STRIPE_READ_31 = 0x31
    STRIPE_READ_32 = 0x32
    STRIPE_READ_33 = 0x33
    STRIPE_READ_34 = 0x34
    STRIPE_WRITE = 0x37
    JAM = 0x38
    COVER_OPEN = 0x40
    INVALID = 0x41
    CAM_MOTOR = 0x42
    ERASE_HEAD_TEMPERATURE = 0x43
    EEPROM = 0x45
    BUFFER_OVERFLOW = 0x51


@dataclass(frozen=True, slots=True)
class Answer:
    """The printer's answer; ``result`` is a ``Result`` or a number that the manuals do not list."""

    command: int
    result: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Sensors:
    """Data of STATUS: ``inlet`` 0 no card, 1 card, 2 card waiting for removal; ``stacker`` None without dispenser."""

    inlet: int
    inside: bool
    cover_open: bool
    stacker_has_cards: bool | None


Reply = Handshake | Answer


def encode(command: int, data: bytes = b"") -> bytes:
    """A host frame. Raises ValueError for data that is too long or would end the frame early."""
    if len(data) > LONGEST_DATA:
        raise ValueError(f"data: expected at most {LONGEST_DATA} bytes, got {len(data)}")
    if _STX in data or _ETX in data:
        raise ValueError("data: expected neither 02 nor 03, which would end the frame early")
    checked = bytes((command,)) + data + bytes((_ETX,))
    return bytes((_STX,)) + checked + bytes((xor8(checked),))


def print_data(lines: Sequence[str]) -> list[bytes]:
    """The text as data of as many PRINT_DATA commands as it takes: whole lines as long as a line fits.

    Raises ValueError for a line with control characters (they would steer the printer) or that cannot be encoded.
    """
    parts = [b""]
    for number, line in enumerate(lines, 1):
        if any(unicodedata.category(char) == "Cc" for char in line):
            raise ValueError(f"line {number}: expected no control characters")
        for piece in _pieces(line.encode("gb18030") + _LINE_END, line):
            if len(parts[-1]) + len(piece) > LONGEST_DATA:
                parts.append(b"")
            parts[-1] += piece
    return parts


def parse_sensors(data: bytes) -> Sensors | None:
    """Data of a STATUS answer: inlet, sensors 2 to 4, cover, 0, and on the dispenser model 0 for "has cards"."""
    if len(data) not in (6, 7) or not data.isdigit():
        return None
    digits = [int(chr(digit)) for digit in data]
    stacker = digits[6] == 0 if len(digits) == 7 else None
    return Sensors(digits[0], any(digits[1:4]), digits[4] != 0, stacker)


def parse_counter(data: bytes) -> int | None:
    """Cards printed, from the data of a COUNTERS answer: its first field, decimal digits; None when it is not."""
    digits = data.strip().split(b",")[0].strip()
    return int(digits) if digits.isdigit() and len(digits) <= 18 else None


def star_tcp_codec() -> HandshakeCodec[Answer]:
    """The receiving side."""
    return HandshakeCodec(_find, _parse, _CONTROLS, _LONGEST)


def _pieces(whole: bytes, line: str) -> list[bytes]:
    """The encoded line in one piece, or by characters when it is too long for one command: none is ever cut."""
    if len(whole) <= LONGEST_DATA:
        return [whole]
    return [*(char.encode("gb18030") for char in line), _LINE_END]


def _find(pending: bytes) -> Found:
    if pending[0] != _STX or (len(pending) > 1 and pending[1] < _LOWEST_COMMAND):
        return skip(1)
    etx = pending.find(_ETX, 1)
    stx = pending.find(_STX, 1, etx if etx >= 0 else len(pending))
    if stx > 0:
        return skip(stx)  # the data of a frame never holds 02: what stands before it was cut off
    if etx < 0 or len(pending) < etx + 2:
        return NEED_MORE
    whole = etx + 2 >= _SHORTEST and xor8(pending[1 : etx + 1]) == pending[etx + 1]
    return frame(etx + 2) if whole else skip(1)


def _parse(data: bytes) -> Answer:
    return Answer(command=data[1], result=data[2], data=data[3:-2])
