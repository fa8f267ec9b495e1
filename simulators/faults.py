"""A bad line: a wrapper around a Peer that spoils what the device sends.

Its own buttons ``line_fault`` and ``line_ok`` switch faults while it runs; ``clock_jump`` moves the device's clock.
``simulators.script`` presses all of them by plan.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulators.errors import ButtonRefused, UnknownName
from simulators.peripherals.peer import Output, Peer


@dataclass(frozen=True)
class LineFault:
    """What happens to the device's output. ``count`` messages are spoiled, then the line is good (-1: never again).

    split: byte by byte, ``delay_s`` apart; drop: lost; corrupt: one bit turned over; delay: ``delay_s`` late;
    duplicate: sent twice; half_frame: the second half of a message is lost; echo: the host also hears itself (RS-485);
    lie: the device says what it said to the same bytes before the fault; mute: it neither hears nor speaks.
    """

    kind: str
    delay_s: float = 0.0
    chance: float = 1.0
    count: int = -1


Spoil = Callable[[LineFault, float, bytes, random.Random], Output]


def _split(fault: LineFault, at: float, data: bytes, _rng: random.Random) -> Output:
    return [(at + n * fault.delay_s, data[n : n + 1]) for n in range(len(data))]


def _corrupt(_fault: LineFault, at: float, data: bytes, rng: random.Random) -> Output:
    spoiled = bytearray(data)
    spoiled[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return [(at, bytes(spoiled))]


def _as_it_is(_fault: LineFault, at: float, data: bytes, _rng: random.Random) -> Output:
    return [(at, data)]


SPOILS: dict[str, Spoil] = {
    "split": _split,
    "drop": lambda _fault, _at, _data, _rng: [],
    "corrupt": _corrupt,
    "delay": lambda fault, at, data, _rng: [(at + fault.delay_s, data)],
    "duplicate": lambda fault, at, data, _rng: [(at, data), (at + fault.delay_s, data)],
    "echo": _as_it_is,  # the echo itself is made where the host's bytes are seen
    "half_frame": lambda _fault, at, data, _rng: [(at, data[: (len(data) + 1) // 2])],
    "lie": _as_it_is,  # the lie itself is made where the host's bytes are seen
    "mute": lambda _fault, _at, _data, _rng: [],
}


REMEMBERED = 256  # different requests whose answers a liar can repeat
YEAR_S = 366 * 86_400.0


def _earlier(output: Output, seconds: float) -> Output:
    return [(at - seconds, data) for at, data in output]


class FaultyPeer:
    """A device behind a line with at most one fault at a time."""

    def __init__(self, peer: Peer, seed: int, fault: LineFault | None = None) -> None:
        self.peer = peer
        self.fault = fault
        self.spoiled = 0
        self._rng = random.Random(f"line/{seed}")
        self._said: dict[bytes, Output] = {}  # to each request: the last true answers, times counted from the request
        self._ahead_s = 0.0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        own: dict[str, Callable[..., Any]] = {"line_fault": self._line_fault, "line_ok": self._line_ok}
        return {**self.peer.buttons, **own, "clock_jump": self._clock_jump}

    def snapshot(self) -> dict[str, Any]:
        kind = self.fault.kind if self.fault else ""
        return {**self.peer.snapshot(), "line_fault": kind, "line_spoiled": self.spoiled}

    def receive(self, data: bytes, now: float) -> Output:
        kind = self.fault.kind if self.fault else ""
        if kind == "mute" and self._strikes():
            return []
        answers = self._answer(data, now, lying=kind == "lie")
        return ([(now, data)] if kind == "echo" else []) + self._spoil(answers)

    def advance(self, now: float) -> Output:
        return self._spoil(_earlier(self.peer.advance(now + self._ahead_s), self._ahead_s))

    def _answer(self, data: bytes, now: float, *, lying: bool) -> Output:
        answers = _earlier(self.peer.receive(data, now + self._ahead_s), self._ahead_s)
        if lying and data in self._said:
            return _earlier(self._said[data], -now)
        if len(self._said) < REMEMBERED:
            self._said[data] = _earlier(answers, now)
        return answers

    def _spoil(self, output: Output) -> Output:
        spoiled: Output = []
        for at, data in output:
            spoiled += self._spoiled(at, data)
        return spoiled

    def _spoiled(self, at: float, data: bytes) -> Output:
        fault = self.fault
        if fault is None or not data or not self._strikes():
            return [(at, data)]
        return SPOILS[fault.kind](fault, at, data, self._rng)

    def _strikes(self) -> bool:
        fault = self.fault
        if fault is None or self._rng.random() >= fault.chance:
            return False
        self.spoiled += 1
        if fault.count > 0:
            self.fault = replace(fault, count=fault.count - 1) if fault.count > 1 else None
        return True

    def _line_fault(self, kind: str, delay_s: float = 0.0, chance: float = 1.0, count: int = -1) -> None:
        if kind not in SPOILS:
            raise UnknownName(f"line_fault: kind: expected one of {', '.join(SPOILS)}, got {kind!r}")
        if delay_s < 0 or not 0 < chance <= 1 or count == 0:
            raise ButtonRefused("line_fault: expected delay_s >= 0, 0 < chance <= 1 and a count other than 0")
        self.fault = LineFault(kind, delay_s, chance, count)

    def _clock_jump(self, seconds: float) -> None:
        """Set the device's clock forward, as a wrong date or a restart of its timers does."""
        if not 0 < seconds <= YEAR_S:
            raise ButtonRefused(f"clock_jump: seconds: expected more than 0 and at most a year, got {seconds}")
        self._ahead_s += seconds

    def _line_ok(self) -> None:
        self.fault = None
