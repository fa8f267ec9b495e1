"""CREATOR F2 protocol of motorised card units (CRT-571, CRT-591, later CRT-310).

Source: CREATOR CRT-571 communication protocol, agreed upon by three public ports. Host frame
``F2 ADDR LenH LenL 43 CM PM DATA 03 BCC``; the unit sends 06 or 15, then ``F2 ADDR Len 50 CM PM ST0 ST1 ST2 DATA 03
BCC`` or ``F2 ADDR Len 4E CM PM E1 E0 DATA 03 BCC`` (one port has seen 45h in the place of 4Eh: both are taken), and
wants 06 back. Len counts from 43h/50h/4Eh to the end of DATA; BCC is the XOR of everything before it. DATA may hold
03h, so the length decides where a frame ends.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial

from firmware_bridge.codecs.handshake import Handshake, HandshakeCodec
from firmware_bridge.framing.buffer import NEED_MORE, Found, frame, skip
from firmware_bridge.framing.checksums import xor8

CLEAR_LINE = b"\x04"  # EOT: the unit forgets an exchange that was broken off

_STX, _ETX, _HOST = 0xF2, 0x03, 0x43
_POSITIVE, _NEGATIVE, _NEGATIVE_OLD = 0x50, 0x4E, 0x45
_SHORTEST = {_POSITIVE: 6, _NEGATIVE: 5, _NEGATIVE_OLD: 5}  # the head byte, CM, PM and ST0..2 or E1 E0
_HEADER, _TRAILER = 4, 2
_LONGEST_BODY = 512  # an APDU answer of 258 bytes is the longest known
_CONTROLS = {0x06: Handshake.ACK, 0x15: Handshake.NAK}


class Cm(IntEnum):
    """Commands."""

    INIT = 0x30
    STATUS = 0x31
    MOVE = 0x32
    ENTRY = 0x33
    CPU_CARD = 0x51
    SERIAL_NUMBER = 0xA2
    VERSION = 0xA4


class Init(IntEnum):
    """PM of INIT: what happens to a card inside."""

    HOLD = 0x30
    CAPTURE = 0x31
    LEAVE = 0x33


class Move(IntEnum):
    """PM of MOVE. With an empty path the unit takes a card from its stacker first."""

    HOLD = 0x30
    IC = 0x31
    RF = 0x32
    ERROR_BIN = 0x33
    GATE = 0x39


class Entry(IntEnum):
    """PM of ENTRY: whether a card pushed into the gate is drawn in."""

    ENABLE = 0x30
    DISABLE = 0x31


class CpuCard(IntEnum):
    """PM of CPU_CARD."""

    COLD_RESET = 0x30
    POWER_OFF = 0x31
    APDU = 0x39  # T=0 or T=1, whichever the card speaks


DEVICE_STATUS = 0x30  # PM of STATUS
DEFAULT_PM = 0x30  # PM of SERIAL_NUMBER and VERSION


class CardPlace(IntEnum):
    """ST0."""

    NONE = 0x30
    GATE = 0x31
    INSIDE = 0x32


class StackerFill(IntEnum):
    """ST1."""

    EMPTY = 0x30
    LOW = 0x31
    ENOUGH = 0x32


class ErrorBin(IntEnum):
    """ST2."""

    OK = 0x30
    FULL = 0x31


@dataclass(frozen=True, slots=True)
class Positive:
    """The unit did it. ``card``, ``stacker`` and ``error_bin`` are ST0, ST1 and ST2 as sent."""

    address: int
    command: int
    parameter: int
    card: int
    stacker: int
    error_bin: int
    data: bytes = field(default=b"", repr=False)  # may be a chip's content: personal


@dataclass(frozen=True, slots=True)
class Negative:
    """The unit did not do it; ``error`` is E1 E0 as two characters, such as ``10``."""

    address: int
    command: int
    parameter: int
    error: str


Answer = Positive | Negative
Reply = Handshake | Answer


def encode(address: int, command: int, parameter: int, data: bytes = b"") -> bytes:
    """A host frame. ``address`` is 0..15, set by the unit's switches. Raises ValueError beyond the bounds."""
    if not 0 <= address <= 15:
        raise ValueError(f"address: expected 0 to 15, got {address}")
    body = bytes((_HOST, command, parameter)) + data
    if len(body) > _LONGEST_BODY:
        raise ValueError(f"data: expected at most {_LONGEST_BODY - 3} bytes, got {len(data)}")
    unchecked = bytes((_STX, address)) + len(body).to_bytes(2, "big") + body + bytes((_ETX,))
    return unchecked + bytes((xor8(unchecked),))


def crt_f2_codec(address: int) -> HandshakeCodec[Answer]:
    """The receiving side for one unit; what another address sends is noise here."""
    start = bytes((_STX, address))
    return HandshakeCodec(partial(_find, start), _parse, _CONTROLS, _HEADER + _LONGEST_BODY + _TRAILER)


def _find(start: bytes, pending: bytes) -> Found:
    if not pending.startswith(start[: len(pending)]):
        return skip(1)
    if len(pending) <= _HEADER:
        return NEED_MORE
    length = int.from_bytes(pending[2:4], "big")
    if not _SHORTEST.get(pending[4], _LONGEST_BODY + 1) <= length <= _LONGEST_BODY:
        return skip(1)
    size = _HEADER + length + _TRAILER
    if len(pending) < size:
        return NEED_MORE
    whole = pending[size - 2] == _ETX and xor8(pending[: size - 1]) == pending[size - 1]
    return frame(size) if whole else skip(1)


def _parse(data: bytes) -> Answer:
    address, head, command, parameter = data[1], data[4], data[5], data[6]
    if head == _POSITIVE:
        return Positive(address, command, parameter, data[7], data[8], data[9], data[10:-_TRAILER])
    return Negative(address, command, parameter, data[7:9].decode("latin-1"))
