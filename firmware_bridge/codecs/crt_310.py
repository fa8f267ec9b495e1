"""CREATOR CRT-310 motorised card reader, the older protocol with frames that start with 02.

Source: one public C# port of it (one source for frame, commands and results: check on the device), and the parameter
tables of CREATOR's own library for this reader, published with several programs, for positions and settings. Host frame
``02 LenH LenL CM PM DATA 03 BCC``; the reader sends 06 or 15, the host asks with 05 (ENQ), the reader works and answers
``02 LenH LenL CM PM DATA 03 BCC`` or ``02 LenH LenL 4E CM ERR 03 BCC``, and the host sends 06. Len counts from CM (or
4E) to the end of DATA; BCC is the XOR of everything before it. DATA may hold 03h: the length decides where a
frame ends.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from firmware_bridge.codecs.handshake import Handshake, HandshakeCodec
from firmware_bridge.framing.buffer import NEED_MORE, Found, frame, skip
from firmware_bridge.framing.checksums import xor8

ENQUIRY = b"\x05"  # after ACK: work, and answer

_STX, _ETX, _NEGATIVE = 0x02, 0x03, 0x4E
_HEADER, _TRAILER = 3, 2
_SHORTEST_BODY, _LONGEST_BODY = 2, 512
_CONTROLS = {0x06: Handshake.ACK, 0x15: Handshake.NAK}


class Cm(IntEnum):
    """Commands."""

    ENTRY = 0x2F
    RESET = 0x30
    STATUS = 0x31
    MOVE = 0x32


class Reset(IntEnum):
    """PM of RESET; the answer to LEAVE is the reader's version. SERIAL_NUMBER is its neighbour in the same command."""

    LEAVE = 0x30
    EJECT_FRONT = 0x31
    EJECT_REAR = 0x32
    SERIAL_NUMBER = 0x3A  # CREATOR CRT-188 additional commands, same frame: the CRT-310's own document is not public


class Move(IntEnum):
    """PM of MOVE. "Held": between the rollers; "out": loose, for a hand or for what stands behind to take."""

    INSIDE = 0x2E
    CONTACTS = 0x2F
    FRONT_OUT = 0x30
    FRONT_HELD = 0x31
    REAR_HELD = 0x32
    REAR_OUT = 0x33


class Front(IntEnum):
    """PM of ENTRY: what opens the shutter."""

    SHUT = 0x31
    MAGNETIC = 0x32  # a magnetic stripe and the switch
    SWITCH = 0x33  # any card


class Rear(IntEnum):
    """DATA of ENTRY: whether a card from behind is drawn in. That it follows PM in the frame is our reading."""

    OPEN = 0x30
    SHUT = 0x31


READER_STATUS = 0x30  # PM of STATUS


class Place(IntEnum):
    """First byte of the status: where the card is."""

    TOO_LONG = 0x46
    TOO_SHORT = 0x47
    FRONT_OUT = 0x48
    FRONT_HELD = 0x49
    INSIDE = 0x4A
    CONTACTS = 0x4B
    REAR_HELD = 0x4C
    REAR_OUT = 0x4D
    NONE = 0x4E


FRONT_IS_SHUT = 0x4E  # second byte of the status; other values say what opens the shutter


class Result(IntEnum):
    """First byte of the answer to MOVE and ENTRY."""

    DONE = 0x59
    FAILED = 0x4E
    NO_CARD = 0x45
    WRONG_PLACE = 0x57


@dataclass(frozen=True, slots=True)
class Positive:
    """The reader's answer; what ``data`` says depends on the command."""

    command: int
    parameter: int
    data: bytes = field(default=b"", repr=False)  # may be a card's content: personal


@dataclass(frozen=True, slots=True)
class Negative:
    """The reader did not do it; ``error`` is 00 to 07."""

    command: int
    error: int


Answer = Positive | Negative
Reply = Handshake | Answer


def encode(command: int, parameter: int, data: bytes = b"") -> bytes:
    """A host frame. Raises ValueError for too much data."""
    body = bytes((command, parameter)) + data
    if len(body) > _LONGEST_BODY:
        raise ValueError(f"data: expected at most {_LONGEST_BODY - 2} bytes, got {len(data)}")
    unchecked = bytes((_STX,)) + len(body).to_bytes(2, "big") + body + bytes((_ETX,))
    return unchecked + bytes((xor8(unchecked),))


def crt_310_codec() -> HandshakeCodec[Answer]:
    """The receiving side."""
    return HandshakeCodec(_find, _parse, _CONTROLS, _HEADER + _LONGEST_BODY + _TRAILER)


def _find(pending: bytes) -> Found:
    if pending[0] != _STX:
        return skip(1)
    if len(pending) < _HEADER:
        return skip(1) if len(pending) == 2 and pending[1] > _LONGEST_BODY >> 8 else NEED_MORE
    length = int.from_bytes(pending[1:3], "big")
    if not _SHORTEST_BODY <= length <= _LONGEST_BODY:
        return skip(1)
    size = _HEADER + length + _TRAILER
    if len(pending) < size:
        return NEED_MORE
    whole = pending[size - 2] == _ETX and xor8(pending[: size - 1]) == pending[size - 1]
    return frame(size) if whole and not (pending[3] == _NEGATIVE and length < 3) else skip(1)


def _parse(data: bytes) -> Answer:
    if data[3] == _NEGATIVE:
        return Negative(command=data[4], error=data[5])
    return Positive(command=data[3], parameter=data[4], data=data[5:-_TRAILER])
