"""Identity card reader, SAM_V module (SAM_A / SDT), GA 450 / GA 467 family.

Source: the protocol tables of GA 450 modules, agreed upon by six public readers. UART and USB carry the same frames,
lengths big-endian and counting everything after themselves, checksum XOR from the length to the last data byte::

    host    AA AA AA 96 69 | length | CMD PARA data | XOR
    module  AA AA AA 96 69 | length | SW1 SW2 SW3 data | XOR

Frames of this protocol are personal data: ``repr`` of a reply keeps the data to itself, and nothing here logs.
"""

import struct
from dataclasses import dataclass, field
from enum import IntEnum

from firmware_bridge.errors import FrameError
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, seek, skip
from firmware_bridge.framing.checksums import xor8

PREAMBLE = bytes.fromhex("AAAAAA9669")
TEXT_LENGTH = 256
BAUD_RATES = (115200, 57600, 38400, 19200, 9600)  # parameters 00 to 04 of command 60

_HEADER = len(PREAMBLE) + 2
_SHORTEST = 4  # SW and checksum
_LONGEST = 4096 - _HEADER  # our own bound; the longest that is known is 090A: text, photo and two fingerprints
_LONGEST_DATA = _LONGEST - _SHORTEST


class Sw(IntEnum):
    """SW3. SW1 and SW2 carry the card's own status beside 31, 41, 47 and 81. 23 is listed without a meaning."""

    BAD_CHECKSUM = 0x10
    BAD_LENGTH = 0x11
    BAD_COMMAND = 0x21
    UNKNOWN_ERROR = 0x24
    CARD_REJECTS_READER = 0x31
    READER_REJECTS_CARD = 0x32
    VERIFY_ERROR = 0x33
    WRONG_CARD_TYPE = 0x40
    READ_FAILED = 0x41
    RANDOM_FAILED = 0x47
    SELF_TEST_FAILED = 0x60
    NOT_AUTHORISED = 0x66
    NO_CARD = 0x80
    SELECT_FAILED = 0x81
    OK = 0x90
    ABSENT = 0x91
    FOUND = 0x9F


@dataclass(frozen=True, slots=True)
class SamReply:
    """One answer of the module."""

    sw1: int
    sw2: int
    sw3: int
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A command and what its answer looks like, since an answer does not name the command it belongs to."""

    command: int
    parameter: int
    success: int
    shortest: int
    longest: int
    own_refusal: int | None = None  # a refusal that no other command gives

    def encode(self) -> bytes:
        body = bytes((0, 3, self.command, self.parameter))
        return PREAMBLE + body + bytes((xor8(body),))

    def is_answered_by(self, reply: SamReply) -> bool:
        """Whether ``reply`` can be this command's: a late answer to another one mostly cannot."""
        if reply.sw3 in (Sw.OK, Sw.FOUND):
            return reply.sw3 == self.success and self.shortest <= len(reply.data) <= self.longest
        if reply.sw3 in (Sw.NO_CARD, Sw.SELECT_FAILED, Sw.ABSENT):
            return reply.sw3 == self.own_refusal
        return True


RESET = Request(0x10, 0xFF, Sw.OK, 0, 0)
STATUS = Request(0x11, 0xFF, Sw.OK, 0, 0)
SAM_ID = Request(0x12, 0xFF, Sw.OK, 16, 16)
FIND = Request(0x20, 0x01, Sw.FOUND, 4, 4, Sw.NO_CARD)
SELECT = Request(0x20, 0x02, Sw.OK, 8, 8, Sw.SELECT_FAILED)
READ = Request(0x30, 0x01, Sw.OK, 4 + TEXT_LENGTH, 4 + TEXT_LENGTH + 1024)
READ_WITH_FINGERPRINTS = Request(0x30, 0x10, Sw.OK, 6 + TEXT_LENGTH, _LONGEST_DATA)
READ_APPENDED = Request(0x30, 0x03, Sw.OK, 70, 70, Sw.ABSENT)


def set_baud(baud: int) -> Request:
    """The command that changes the module's speed; its answer still comes at the old one."""
    if baud not in BAUD_RATES:
        raise FrameError(f"baud: expected one of {', '.join(map(str, BAUD_RATES))}, got {baud}")
    return Request(0x60, BAUD_RATES.index(baud), Sw.OK, 0, 0)


class SamCodec:
    """Cuts the module's answers out of what it sends."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, _HEADER + _LONGEST)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> SamReply | None:
        found = self._buffer.next()
        return None if found is None else SamReply(found[7], found[8], found[9], found[10:-1])

    def reset(self) -> None:
        self._buffer.reset()


def _find(pending: bytes) -> Found:
    if noise := seek(pending, PREAMBLE):
        return skip(noise)
    if len(pending) < _HEADER:
        return NEED_MORE
    length = int.from_bytes(pending[len(PREAMBLE) : _HEADER])
    if not _SHORTEST <= length <= _LONGEST:
        return skip(1)
    whole = _HEADER + length
    if len(pending) < whole:
        return NEED_MORE
    if xor8(pending[len(PREAMBLE) : whole - 1]) != pending[whole - 1]:
        return skip(1)
    return frame(whole)


def sam_id_text(data: bytes) -> str:
    """The module's number as it is printed on it, from u16, u16 and three u32, little-endian."""
    if len(data) != 16:
        raise FrameError(f"SAM id: expected 16 bytes, got {len(data)}")
    first, second, day, batch, serial = struct.unpack("<HHIII", data)
    return f"{first:02d}.{second:02d}-{day:08d}-{batch:09d}-{serial:09d}"


@dataclass(frozen=True, slots=True)
class CardData:
    """What a read brings: 256 bytes of text, and fingerprint features (1024, 512 or 0 bytes; None: not asked for).

    The photo is left behind: its format (WLT) is its maker's secret, and nothing here needs a face.
    """

    text: bytes = field(repr=False)
    fingerprints: bytes | None = field(default=None, repr=False)


def card_data(data: bytes, *, fingerprints: bool = False) -> CardData:
    """The parts of a read answer; raises FrameError without quoting any of it.

    The data begins with the lengths of text, photo and, in the second kind of answer, fingerprints, 2 bytes each.
    """
    lengths = [int.from_bytes(data[at : at + 2]) for at in range(0, 6 if fingerprints else 4, 2)]
    start = 2 * len(lengths)
    if lengths[0] != TEXT_LENGTH or len(data) != start + sum(lengths):
        raise FrameError(
            f"read answer: expected a text of {TEXT_LENGTH} bytes and {start + sum(lengths)} bytes in all, "
            f"got a text of {lengths[0]} and {len(data)} in all"
        )
    text_end = start + TEXT_LENGTH
    return CardData(data[start:text_end], data[text_end + lengths[1] :] if fingerprints else None)
