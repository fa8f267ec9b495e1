"""ZVT, the protocol between a payment terminal and a machine on a serial line: frames, commands, line signs.

Source: ECR interface ZVT as implemented by ecrterm and the crate zvt. Frame: ``10 02`` APDU ``10 03`` CRC, where every
10 inside the APDU is doubled; CRC-16/KERMIT over the APDU as it is plus 03, low byte first. APDU: class, instruction,
length, data; a length of FF is followed by two bytes, low byte first. Each frame is acknowledged with 06, or refused as
damaged with 15. Every command is then answered by an APDU of its own: ``80 00 00``, or ``84 xx 00`` with the reason.
Both sides send commands: while one of ours runs, the terminal reports (04 0F, 04 FF) and ends it (06 0F or 06 1E).
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from firmware_bridge.framing.checksums import crc16_kermit

_DLE, _STX, _ETX = 0x10, 0x02, 0x03
_START, _END = b"\x10\x02", b"\x10\x03"
_CRC = 2
_LONG = 0xFF
_LONGEST_DATA = 4096  # far more than a terminal sends; the field could say 65535
_LONGEST = 2 * (_LONGEST_DATA + 5) + len(_START + _END) + _CRC


class Control(IntEnum):
    """Class and instruction of a command or answer."""

    STATUS_INFORMATION = 0x040F
    INTERMEDIATE_STATUS = 0x04FF
    STATUS_ENQUIRY = 0x0501
    REGISTRATION = 0x0600
    AUTHORISATION = 0x0601
    COMPLETION = 0x060F
    ABORT = 0x061E
    REPEAT_RECEIPT = 0x0620
    REVERSAL = 0x0630
    END_OF_DAY = 0x0650
    DIAGNOSIS = 0x0670
    ABORT_COMMAND = 0x06B0
    DONE = 0x8000
    REFUSED = 0x8400


class Sign(StrEnum):
    """What stands on the line between frames, and what a frame can be instead of an APDU."""

    ACK = "ack"
    NAK = "nak"
    DAMAGED = "damaged"  # a frame with a wrong CRC: refuse it with NAK and it comes again


ACK_BYTE, NAK_BYTE = b"\x06", b"\x15"
_SIGNS = {0x06: Sign.ACK, 0x15: Sign.NAK}


@dataclass(frozen=True, slots=True)
class Apdu:
    """A command or an answer of the terminal; ``data`` may hold the number of a card, so ``repr`` leaves it out."""

    control: int
    data: bytes = field(repr=False)

    @property
    def is_answer(self) -> bool:
        """It answers our command; everything else is a command of the terminal and wants an answer."""
        return self.control >> 8 in (0x80, 0x84)

    @property
    def refusal(self) -> int | None:
        """The reason why our command was not begun, or None. ``84 00`` counts as done."""
        return self.control & 0xFF or None if self.control >> 8 == 0x84 else None


Reply = Apdu | Sign


def encode(control: int, data: bytes = b"") -> bytes:
    """A frame with the command ``control`` and up to 4096 bytes of data."""
    if len(data) > _LONGEST_DATA:
        raise ValueError(f"data: expected at most {_LONGEST_DATA} bytes, got {len(data)}")
    length = bytes((len(data),)) if len(data) < _LONG else b"\xff" + len(data).to_bytes(2, "little")
    apdu = control.to_bytes(2, "big") + length + data
    return _START + apdu.replace(b"\x10", b"\x10\x10") + _END + _crc(apdu)


class ZvtCodec:
    """The receiving side.

    NAK counts only when nothing was discarded since ``reset`` or the last reply: in noise the byte may stand for
    anything, and it says that a payment was not begun.
    """

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, _LONGEST)
        self._clean_since = 0
        self._ignored = 0

    @property
    def discarded(self) -> int:
        return self._buffer.discarded + self._ignored

    @property
    def half(self) -> int:
        """How many bytes of an unfinished frame are at hand."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        while (found := self._buffer.next()) is not None:
            clean = self._buffer.discarded == self._clean_since
            sign = _SIGNS.get(found[0])
            if sign is Sign.NAK and not clean:
                self._ignored += 1
                continue
            self._clean_since = self._buffer.discarded
            return _parse(found) or Sign.DAMAGED if sign is None else sign
        return None

    def reset(self) -> None:
        self._buffer.reset()
        self._clean_since = self._buffer.discarded


def _find(pending: bytes) -> Found:
    if pending[0] in _SIGNS:
        return frame(1)
    if not pending.startswith(_START[: len(pending)]):
        return skip(1)
    end = _end_of(pending)
    if end < 0:
        return skip(-end)
    if not end or len(pending) < end + _CRC:
        return NEED_MORE if len(pending) < _LONGEST else skip(1)
    if _parse(pending[: end + _CRC]) is not None:
        return frame(end + _CRC)
    # Damaged. Its CRC may be missing and the next frame stand in its place.
    return frame(end + _CRC if b"\x10" not in pending[end : end + _CRC] else end)


def _end_of(pending: bytes) -> int:
    """Where the CRC begins; 0 when the end has not come yet; negative: so many bytes are no frame."""
    at = len(_START)
    while (at := pending.find(b"\x10", at)) >= 0 and at + 1 < len(pending):
        follower = pending[at + 1]
        if follower == _ETX:
            return at + len(_END)
        if follower != _DLE:
            return -at if follower == _STX else -1  # a new frame begins inside, or this is none
        at += 2
    return 0


def _parse(found: bytes) -> Apdu | None:
    """The APDU of a whole frame with a good CRC, or None."""
    at = _end_of(found)
    if at <= 0 or len(found) != at + _CRC:
        return None
    body = found[len(_START) : at - len(_END)].replace(b"\x10\x10", b"\x10")
    if _crc(body) != found[at:] or len(body) < 3:
        return None
    start = 5 if body[2] == _LONG else 3
    length = int.from_bytes(body[3:5], "little") if body[2] == _LONG else body[2]
    if len(body) != start + length:
        return None
    return Apdu(int.from_bytes(body[:2], "big"), body[start:])


def _crc(apdu: bytes) -> bytes:
    return crc16_kermit(apdu + bytes((_ETX,))).to_bytes(_CRC, "little")
