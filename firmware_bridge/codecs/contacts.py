"""Contacts on GPIO lines as small records: what the transport ``gpio`` carries upward, and a simulated board on a pty.

Source: this file (our own; the kernel has calls for it, not bytes). A record is ``47 kind a b check``, the check is the
XOR of the four bytes before it; lines are numbered from 0 in the order of the driver's options.

* levels ``47 4C mask count``: bit n of ``mask`` is 1 while line n is active, ``count`` lines there are;
* edge ``47 45 line level``: line ``line`` has just become active (1) or inactive (0).

The host asks for the levels of all lines with ``47 3F 78``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, seek, skip
from firmware_bridge.framing.checksums import xor8

ASK_LEVELS = b"\x47\x3f\x78"
MOST_LINES = 8

_START, _LEVELS, _EDGE = 0x47, 0x4C, 0x45
_SIZE = 5


@dataclass(frozen=True, slots=True)
class Levels:
    """The lines as they are now; True is active."""

    active: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Edge:
    """A line has changed."""

    line: int
    active: bool


Reply = Levels | Edge


def encode_levels(active: Sequence[bool]) -> bytes:
    """The record of all levels; at most eight lines."""
    if len(active) > MOST_LINES:
        raise ValueError(f"lines: expected at most {MOST_LINES}, got {len(active)}")
    return _record(_LEVELS, sum(level << line for line, level in enumerate(active)), len(active))


def encode_edge(line: int, active: bool) -> bytes:
    """The record of one change."""
    return _record(_EDGE, line, int(active))


class ContactsCodec:
    """The receiving side."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, _SIZE)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        if (found := self._buffer.next()) is None:
            return None
        _, kind, first, second, _ = found
        if kind == _EDGE:
            return Edge(first, bool(second))
        return Levels(tuple(bool(first >> line & 1) for line in range(second)))

    def reset(self) -> None:
        self._buffer.reset()


def _find(pending: bytes) -> Found:
    if pending[0] != _START or pending[1:2] not in (b"", b"L", b"E"):
        return skip(1 + seek(pending[1:], bytes((_START,))))
    if len(pending) < _SIZE:
        return NEED_MORE
    whole = xor8(pending[: _SIZE - 1]) == pending[_SIZE - 1]
    known = pending[3] <= (MOST_LINES if pending[1] == _LEVELS else 1)
    return frame(_SIZE) if whole and known else skip(1)


def _record(kind: int, first: int, second: int) -> bytes:
    body = bytes((_START, kind, first, second))
    return body + bytes((xor8(body),))
