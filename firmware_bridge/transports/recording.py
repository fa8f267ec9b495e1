"""Writes down what passes a line, for support and for replay; what may identify a person is masked before it is kept.

Used by the tool that records a session (``hallfleet edge record``), never by a running agent. Format: JSON lines, see
docs/line.md.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from typing import Any

from firmware_bridge.transports import AdjustableSpeed, Transport

HASHED_FROM = 16  # bytes; the hash of a shorter run would tell equal digits from others


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes that went one way at a time; ``discarded`` counts those that nobody looked at."""

    at: float
    from_host: bool
    data: bytes
    discarded: int = 0


class RecordingTransport:
    """A Transport that keeps what passes it in memory until ``take``."""

    def __init__(self, line: Transport, now: Callable[[], float]) -> None:
        self._line = line
        self._now = now
        self._passed: list[Passed] = []

    @property
    def turn(self) -> asyncio.Lock:
        return self._line.turn

    def take(self) -> list[Passed]:
        """What has passed since the last time."""
        passed, self._passed = self._passed, []
        return passed

    async def open(self) -> None:
        await self._line.open()

    async def write(self, data: bytes) -> None:
        self._passed.append(Passed(self._now(), True, bytes(data)))
        await self._line.write(data)

    async def read(self) -> bytes:
        data = await self._line.read()
        self._passed.append(Passed(self._now(), False, data))
        return data

    def discard_input(self) -> int:
        count = self._line.discard_input()
        if count:
            self._passed.append(Passed(self._now(), False, b"", count))
        return count

    async def close(self) -> None:
        await self._line.close()


class _AdjustableRecording(RecordingTransport):
    def __init__(self, line: Transport, adjust: AdjustableSpeed, now: Callable[[], float]) -> None:
        super().__init__(line, now)
        self._adjust = adjust

    def set_baud(self, baud: int) -> None:
        self._adjust.set_baud(baud)


def recorded(line: Transport, now: Callable[[], float]) -> RecordingTransport:
    """``line`` recorded; it has a speed if the line has one. ``now``: seconds since the recording began."""
    return _AdjustableRecording(line, line, now) if isinstance(line, AdjustableSpeed) else RecordingTransport(line, now)


def clear_lines(passed: list[Passed]) -> Iterator[dict[str, Any]]:
    """Every byte, in the pieces in which it came."""
    for piece in passed:
        yield _line(piece.at, piece.from_host, piece.data, {"discarded": piece.discarded} if piece.discarded else {})


def masked_lines(passed: list[Passed], harmless: int, key: bytes) -> Iterator[dict[str, Any]]:
    """Of every run of bytes in one direction the first ``harmless`` ones, its length, and a hash of a long one.

    A run is what passed before the direction changed: its pieces are not told apart, since a byte at a time would be
    as good as the clear text. ``key`` (for one recording only) must be thrown away.
    """
    for from_host, run in groupby(passed, key=lambda piece: piece.from_host):
        pieces = list(run)
        data = b"".join(piece.data for piece in pieces)
        more: dict[str, Any] = {}
        if discarded := sum(piece.discarded for piece in pieces):
            more["discarded"] = discarded
        if (hidden := len(data) - harmless) > 0:
            more["masked"] = hidden
        if hidden >= HASHED_FROM:
            more["hash"] = blake2b(data[harmless:], key=key, digest_size=8).hexdigest()
        yield _line(pieces[0].at, from_host, data[:harmless], more)


def _line(at: float, from_host: bool, data: bytes, more: dict[str, Any]) -> dict[str, Any]:
    return {"t": round(at, 4), "from": "host" if from_host else "device", "hex": data.hex(" ").upper(), **more}
