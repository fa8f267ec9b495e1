"""ESC/POS printers: what the host asks and what comes back, mixed on one line.

Source: Epson's command reference as quoted in four public works (DLE EOT, GS a, GS r, GS I, DLE DC4). Real-time
answers overtake everything else, automatic status comes unasked, queued answers come after all data before them
was processed. They are told apart by their fixed bits::

    0xx1xx10   answer to DLE EOT            0xx1xx00   first of 4 bytes of automatic status
    0001 00x1  XON 11, XOFF 13              0xx0xxxx   answer to GS r
    5F .. 00   answer to GS I 65..68        37 .. 00   buffers cleared (DLE DC4 8)
    10 0F      first of 6 bytes of full status, on Custom's kiosk printers only

The last one looks like automatic status with errors but without "off-line", so it is only read where it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

INITIALISE = b"\x1b@"
WATCH_ALL = b"\x1da\x0f"  # drawer, on/off-line, errors, paper: valid until ESC @ or power off
ASK_PAPER = b"\x1dr\x01"  # answered when everything before it was processed
ASK_FULL_STATUS = b"\x10\x04\x14"  # Custom KPM150-H manual p. 10 (one source): answered even off-line
ASK_NONSENSE = b"\x10\x04\x00"  # no printer has a status 0: who answers does not know what it is asked
ASK_TYPE = b"\x1dI\x02"  # GS I 2: bit 1 of the answer is the cutter (from memory: check on the device)
# GS g 2, counter 178: cuts of the printer's life (Epson's maintenance counters; from memory: check on the device).
# Answered like GS I, as text, after everything before it was processed.
ASK_CUTS = bytes.fromhex("1D 67 32 00 B2 00")
CLEAR_BUFFERS = bytes.fromhex("10 14 08 01 03 14 01 06 02 08")

_LONGEST_BLOCK = 82  # 5F, up to 80 characters, 00
_INFORMATION, _CLEARED = 0x5F, 0x37
_XON, _XOFF = 0x11, 0x13
_FULL, _FULL_SIZE = b"\x10\x0f", 6


def ask_real_time(n: int) -> bytes:
    """DLE EOT n: 1 printer, 2 cause of off-line, 3 cause of error, 4 roll paper. Answered even off-line."""
    return bytes((0x10, 0x04, n))


def ask_information(n: int) -> bytes:
    """GS I n: 65 firmware, 66 maker, 67 model, 68 serial number. Queued: no answer while off-line."""
    return bytes((0x1D, 0x49, n))


@dataclass(frozen=True, slots=True)
class RealTime:
    """The answer to one DLE EOT; it does not say to which n."""

    bits: int


@dataclass(frozen=True, slots=True)
class Queued:
    """The answer to GS r 1."""

    bits: int

    @property
    def paper_out(self) -> bool:
        return bool(self.bits & 0x0C)

    @property
    def paper_low(self) -> bool:
        return bool(self.bits & 0x03)


@dataclass(frozen=True, slots=True)
class FullStatus:
    """The answer to ``ASK_FULL_STATUS``; the meaning of its bits is from memory: check on the device."""

    paper: int
    user: int
    recoverable: int
    unrecoverable: int

    @property
    def ticket_in_presenter(self) -> bool:
        return bool(self.paper & 0x20)


@dataclass(frozen=True, slots=True)
class Information:
    """The answer to GS I, as text."""

    text: str


@dataclass(frozen=True, slots=True)
class BuffersCleared:
    """The answer to DLE DC4 8."""


@dataclass(frozen=True, slots=True)
class Flow:
    """XON or XOFF on a line that was not set up for it."""

    ready: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """The printer's sensors and errors at one moment; None where nothing that can be trusted tells.

    ``stuck``: it answers at once but processes nothing, and does not say why.
    """

    off_line: bool = False
    cover_open: bool | None = False
    paper_low: bool = False
    paper_out: bool | None = False
    mechanical_error: bool | None = False
    cutter_error: bool | None = False
    unrecoverable: bool = False
    head_hot: bool = False
    ticket_in_presenter: bool | None = None
    stuck: bool = False

    @property
    def stopped(self) -> bool:
        """Off-line until somebody acts, and not just for a moment (feed button, hot head)."""
        causes = (self.cover_open, self.paper_out, self.mechanical_error, self.cutter_error, self.unrecoverable)
        return self.off_line and any(causes)


EscPosReply = RealTime | Condition | Queued | Information | BuffersCleared | Flow | FullStatus

PRESENTER_BITS = 0x60  # of the answer to DLE EOT 5; which bits is from memory: check on the device


def condition_of_real_time(bits: Mapping[int, int]) -> Condition:
    """From the answers to DLE EOT, by n; what needs an answer that is missing is None."""
    printer, off_line, error, paper = (bits.get(n) for n in (1, 2, 3, 4))
    ends = [paper & 0x60] if paper is not None else []
    ends += [off_line & 0x20] if off_line is not None else []
    stopped = off_line is not None and bool(off_line & 0x64)  # a printer without status 1 is off-line for a cause
    return Condition(
        off_line=stopped if printer is None else bool(printer & 0x08),
        cover_open=_bit(off_line, 0x04),
        paper_low=bool(_bit(paper, 0x0C)),
        paper_out=any(ends) if ends else None,
        mechanical_error=_bit(error, 0x04),
        cutter_error=_bit(error, 0x08),
        unrecoverable=bool(_bit(error, 0x20)),
        head_hot=bool(_bit(error, 0x40)),
        ticket_in_presenter=_bit(bits.get(5), PRESENTER_BITS),
    )


def condition_of_full_status(full: FullStatus) -> Condition:
    """From the 6 bytes of a Custom printer."""
    stops = full.paper & 0x01 or full.user & 0x03 or full.recoverable & 0x40 or full.unrecoverable
    return Condition(
        off_line=bool(stops),
        cover_open=bool(full.user & 0x03),  # cover or print head open
        paper_low=bool(full.paper & 0x04),
        paper_out=bool(full.paper & 0x01),
        mechanical_error=bool(full.recoverable & 0x40),
        cutter_error=bool(full.unrecoverable & 0x01),
        unrecoverable=bool(full.unrecoverable & 0x4C),  # RAM, EEPROM, flash
        head_hot=bool(full.recoverable & 0x01),
        ticket_in_presenter=full.ticket_in_presenter,
    )


def condition_of_queued(answer: Queued) -> Condition:
    """From GS r 1 alone: paper, and nothing about cover, cutter and jams."""
    out = answer.paper_out
    return Condition(
        off_line=out,
        cover_open=None,
        paper_low=answer.paper_low,
        paper_out=out,
        mechanical_error=None,
        cutter_error=None,
    )


def _bit(bits: int | None, mask: int) -> bool | None:
    return None if bits is None else bool(bits & mask)


def condition_of_automatic(status: bytes) -> Condition:
    """From the 4 bytes of automatic status back."""
    return Condition(
        off_line=bool(status[0] & 0x08),
        cover_open=bool(status[0] & 0x20),
        mechanical_error=bool(status[1] & 0x04),
        cutter_error=bool(status[1] & 0x08),
        unrecoverable=bool(status[1] & 0x20),
        head_hot=bool(status[1] & 0x40),
        paper_low=bool(status[2] & 0x03),
        paper_out=bool(status[2] & 0x0C),
    )


class EscPosCodec:
    """Sorts what a printer sends. Automatic status comes out as ``Condition``. ``full_status``: see ``FullStatus``."""

    def __init__(self, *, full_status: bool = False) -> None:
        self._buffer = FrameBuffer(_find_full if full_status else _find, _LONGEST_BLOCK)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> EscPosReply | None:
        found = self._buffer.next()
        return None if found is None else _parse(found)

    def reset(self) -> None:
        self._buffer.reset()


def _find_full(pending: bytes) -> Found:
    if pending[0] != _FULL[0] or (len(pending) > 1 and pending[1] != _FULL[1]):
        return _find(pending)
    return frame(_FULL_SIZE) if len(pending) >= _FULL_SIZE else NEED_MORE


def _find(pending: bytes) -> Found:
    first = pending[0]
    if first in (_INFORMATION, _CLEARED):
        return _find_block(pending)
    if first & 0x93 == 0x10:
        return _find_automatic(pending)
    if first & 0x93 == 0x12 or first & 0x90 == 0 or first in (_XON, _XOFF):
        return frame(1)
    return skip(1)


def _find_automatic(pending: bytes) -> Found:
    if any(byte & 0x90 for byte in pending[1:4]):
        return skip(1)  # bits 4 and 7 are 0 in the other three bytes: this was not the first one
    return frame(4) if len(pending) >= 4 else NEED_MORE


def _find_block(pending: bytes) -> Found:
    end = pending.find(0, 1, _LONGEST_BLOCK)
    body = pending[1 : end if end >= 0 else None]
    if any(byte < 0x20 or byte > 0x7E for byte in body):
        return skip(1)
    return frame(end + 1) if end >= 0 else NEED_MORE


def _parse(found: bytes) -> EscPosReply:
    first = found[0]
    if first == _INFORMATION:
        return Information(found[1:-1].decode("ascii"))
    if first == _CLEARED:
        return BuffersCleared()
    if first in (_XON, _XOFF):
        return Flow(first == _XON)
    if len(found) == _FULL_SIZE:
        return FullStatus(*found[2:])
    if len(found) == 4:
        return condition_of_automatic(found)
    return RealTime(first) if first & 0x10 else Queued(first)
