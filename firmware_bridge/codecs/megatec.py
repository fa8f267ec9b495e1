"""Megatec / Q1 uninterruptible power supplies: lines of text that end with CR.

Source: Megatec UPS protocol, as NUT's nutdrv_qx_megatec and blazer read it (two sources for the text; 2400 8N1 is from
memory: check on the device). There is no checksum: a line is believed when every field has its shape.

``Q1`` -> ``(MMM.M NNN.N PPP.P QQQ RR.R SS.S TT.T b7..b0``; ``F`` -> ``#MMM.M QQQ SS.SS RR.R``; ``I`` -> ``#``, 15, 10,
10 columns for company, model, version, of which some supplies send one less. ``S``, ``C`` and ``T`` have no answer.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

LONGEST_LINE = 64

_NUMBER = rb"(\d{1,3}\.\d{1,2})"
_STATUS = re.compile(
    rb"\(" + b" ".join([_NUMBER] * 3) + rb" (\d{1,3}) " + b" ".join([_NUMBER] * 3) + rb" ([01]{8})\r", re.ASCII
)
_RATING = re.compile(rb"#" + _NUMBER + rb" (\d{1,3}) " + _NUMBER + b" " + _NUMBER + rb"\r", re.ASCII)
_INFO = re.compile(rb"#([ -~]{15}) ([ -~]{10}) ([ -~]{9,10})\r")
_CANDIDATE = re.compile(rb"[(#]")
_BROKEN = re.compile(rb"[^ -~]")  # neither text nor part of it


class Bit(IntEnum):
    """The eight bits of the status, b7 first on the line."""

    UTILITY_FAILED = 0x80
    BATTERY_LOW = 0x40
    BYPASS_BOOST_BUCK = 0x20
    UPS_FAILED = 0x10
    STANDBY_TYPE = 0x08  # 0: on-line type
    TESTING = 0x04
    SHUTDOWN_ACTIVE = 0x02
    BEEPER_ON = 0x01


@dataclass(frozen=True, slots=True)
class UpsStatus:
    """Answer to ``Q1``. ``battery_v`` as sent: some supplies send the voltage of one cell."""

    input_v: float
    fault_v: float
    output_v: float
    load_pct: int
    frequency_hz: float
    battery_v: float
    temperature_c: float
    bits: int


@dataclass(frozen=True, slots=True)
class Rating:
    """Answer to ``F``."""

    voltage_v: float
    current_a: int
    battery_v: float
    frequency_hz: float


@dataclass(frozen=True, slots=True)
class Info:
    """Answer to ``I``."""

    company: str
    model: str
    version: str


Reply = UpsStatus | Rating | Info

STATUS, RATING, INFO, TEST, CANCEL = b"Q1\r", b"F\r", b"I\r", b"T\r", b"C\r"


def encode_shutdown(delay_s: int, restore_min: int) -> bytes:
    """Output off after ``delay_s`` (12 to 600, rounded up: tenths of a minute below one, whole minutes above), on again
    ``restore_min`` minutes later (1 to 9999) when the mains are there.
    """
    if not 12 <= delay_s <= 600 or not 1 <= restore_min <= 9999:
        raise ValueError(f"expected a delay of 12 to 600 s and 1 to 9999 min, got {delay_s} s and {restore_min} min")
    tenths = -(-delay_s // 6)
    after = f".{tenths}" if tenths < 10 else f"{-(-delay_s // 60):02d}"
    return f"S{after}R{restore_min:04d}\r".encode("ascii")


class MegatecCodec:
    """The receiving side. An echo of a command that the supply does not know counts as discarded."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, LONGEST_LINE)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        found = self._buffer.next()
        return None if found is None else _reply(found)

    def reset(self) -> None:
        self._buffer.reset()


def _find(pending: bytes) -> Found:
    found = _find_here(pending)
    if found >= 0:
        return found
    candidate = _CANDIDATE.search(pending, 1)
    return skip(candidate.start() if candidate else len(pending))


def _find_here(pending: bytes) -> Found:
    if pending[:1] not in (b"(", b"#"):
        return skip(1)
    broken = _BROKEN.search(pending, 1, LONGEST_LINE)
    if broken is None:
        return NEED_MORE if len(pending) < LONGEST_LINE else skip(1)
    line = pending[: broken.end()]
    return frame(len(line)) if any(shape.fullmatch(line) for shape in (_STATUS, _RATING, _INFO)) else skip(1)


def _reply(line: bytes) -> Reply:
    if found := _STATUS.fullmatch(line):
        into, fault, out, load, frequency, battery, temperature = map(float, found.groups()[:7])
        return UpsStatus(into, fault, out, int(load), frequency, battery, temperature, int(found[8], 2))
    if found := _RATING.fullmatch(line):
        return Rating(float(found[1]), int(found[2]), float(found[3]), float(found[4]))
    columns = line[1:-1].decode("ascii")
    return Info(columns[:15].strip(), columns[16:26].strip(), columns[27:].strip())
