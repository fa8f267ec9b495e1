"""Simple Serial Interface of Zebra (Symbol, Motorola) scanners: packets, and codes that take several of them.

Source: SSI programmer's guide 72E-40451 and the SE-923 integration guide, agreed upon by public ``ssi.h``. Packet:
``length opcode source status data checksum``; the length (4..255) leaves out the checksum, which is the two's
complement of the sum of all bytes before it, high byte first. Source 04 is the host, 00 the scanner. Status bit 0: sent
again, bit 1: more packets of this message follow, bit 3: a change of a parameter is permanent. The first packet of a
code begins with the code's type; that later packets carry text only is the reading of one public implementation.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from firmware_bridge.codecs.scanned_text import LONGEST_TEXT, Scanned
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

PACKETED = b"\xff\xee\x01"
"""Data of PARAMETER: no beep, parameter EE (format of decode data) = 1. From memory: check on the device."""

WAKE = b"\x00"
"""What wakes a scanner in low power; no packet begins with it. From memory: check on the device."""

_HOST, _SCANNER = 0x04, 0x00
_HEADER, _CHECK = 4, 2
_LONGEST = 0xFF + _CHECK
_AGAIN, _CONTINUES = 0x01, 0x02


class Opcode(IntEnum):
    """Kinds of packets."""

    REQUEST_REVISION = 0xA3
    REVISION = 0xA4
    PARAMETER = 0xC6
    ACK = 0xD0
    NAK = 0xD1
    FLUSH_QUEUE = 0xD2
    START_SESSION = 0xE4
    STOP_SESSION = 0xE5
    ENABLE = 0xE9
    DISABLE = 0xEA
    DECODED = 0xF3
    EVENT = 0xF6


class Cause(IntEnum):
    """Why a packet was not accepted."""

    RESEND = 0x01  # it was damaged
    BAD_CONTEXT = 0x02  # it was not understood
    DENIED = 0x06  # it is not allowed now
    CANCEL = 0x0A


_FROM_SCANNER = frozenset((Opcode.REVISION, Opcode.PARAMETER, Opcode.ACK, Opcode.NAK, Opcode.DECODED, Opcode.EVENT))


@dataclass(frozen=True, slots=True)
class Packet:
    """One checked packet of the scanner; ``data`` may be a code, so ``repr`` keeps it to itself."""

    opcode: int
    status: int
    data: bytes = field(repr=False)

    @property
    def again(self) -> bool:
        """The scanner has sent it before and missed our answer."""
        return bool(self.status & _AGAIN)

    @property
    def continues(self) -> bool:
        """More packets of the same code follow."""
        return bool(self.status & _CONTINUES)


def encode(opcode: Opcode, data: bytes = b"", *, again: bool = False) -> bytes:
    """A packet of the host with up to 251 bytes of data; ``again`` when the one before it got no answer."""
    if len(data) > 0xFF - _HEADER:
        raise ValueError(f"data: expected at most {0xFF - _HEADER} bytes, got {len(data)}")
    body = bytes((_HEADER + len(data), opcode, _HOST, _AGAIN if again else 0)) + data
    return body + _checksum(body)


class SsiCodec:
    """The receiving side. A packet with a wrong checksum is passed over: the scanner sends it again."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, _LONGEST)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Packet | None:
        if (found := self._buffer.next()) is None:
            return None
        return Packet(found[1], found[3], found[_HEADER:-_CHECK])

    def reset(self) -> None:
        self._buffer.reset()


class CodeInParts:
    """Puts the packets of one code together; packets that were sent twice count once."""

    def __init__(self, longest: int = LONGEST_TEXT) -> None:
        self._longest = longest
        self._text = b""
        self._last: Packet | None = None
        self._whole = True

    def add(self, packet: Packet) -> Scanned | None:
        """The code when ``packet`` (opcode DECODED) completes it; not whole when it is longer than allowed."""
        if packet.again and self._last is not None and packet.data == self._last.data:
            return None  # our ACK to it was lost
        part = packet.data if self._last is not None else packet.data[1:]  # behind the type of the code
        self._last = packet
        self._whole = self._whole and len(self._text) + len(part) <= self._longest + len(_ENDS)
        self._text = self._text + part if self._whole else b""
        if packet.continues:
            return None
        text, whole = self._text.rstrip(_ENDS), self._whole
        self._text, self._last, self._whole = b"", None, True
        fits = whole and len(text) <= self._longest
        return Scanned(text if fits else b"", fits)


_ENDS = b"\r\n"  # a suffix that the scanner may be set up to add


def _find(pending: bytes) -> Found:
    size = pending[0]
    if size < _HEADER:
        return skip(1)
    if len(pending) > 1 and pending[1] not in _FROM_SCANNER:
        return skip(1)
    if len(pending) > 2 and pending[2] != _SCANNER:
        return skip(1)
    if len(pending) < size + _CHECK:
        return NEED_MORE
    return frame(size + _CHECK) if _checksum(pending[:size]) == pending[size : size + _CHECK] else skip(1)


def _checksum(body: bytes) -> bytes:
    return (-sum(body) & 0xFFFF).to_bytes(_CHECK, "big")
