"""A bad line and bad days: wrappers around a Peer that spoil its output or press its buttons by plan.

``FaultyPeer`` spoils what the device sends; its own buttons ``line_fault`` and ``line_ok`` switch faults while it
runs. ``ScriptedPeer`` presses buttons at times: ``paper_out@30s``.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simulators.errors import ButtonRefused, SimulatorError, UnknownName
from simulators.peripherals.peer import Output, Peer


@dataclass(frozen=True)
class LineFault:
    """What happens to the device's output. ``count`` messages are spoiled, then the line is good (-1: never again).

    split: byte by byte, ``delay_s`` apart; drop: lost; corrupt: one bit turned over; delay: ``delay_s`` late;
    duplicate: sent twice; echo: the host also hears itself (RS-485); mute: the device neither hears nor speaks.
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
    "mute": lambda _fault, _at, _data, _rng: [],
}


class FaultyPeer:
    """A device behind a line with at most one fault at a time."""

    def __init__(self, peer: Peer, seed: int, fault: LineFault | None = None) -> None:
        self.peer = peer
        self.fault = fault
        self.spoiled = 0
        self._rng = random.Random(f"line/{seed}")

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**self.peer.buttons, "line_fault": self._line_fault, "line_ok": self._line_ok}

    def snapshot(self) -> dict[str, Any]:
        kind = self.fault.kind if self.fault else ""
        return {**self.peer.snapshot(), "line_fault": kind, "line_spoiled": self.spoiled}

    def receive(self, data: bytes, now: float) -> Output:
        if self.fault is not None and self.fault.kind == "mute" and self._strikes():
            return []
        echo: Output = [(now, data)] if self.fault is not None and self.fault.kind == "echo" else []
        return echo + self._spoil(self.peer.receive(data, now))

    def advance(self, now: float) -> Output:
        return self._spoil(self.peer.advance(now))

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

    def _line_ok(self) -> None:
        self.fault = None


@dataclass(frozen=True)
class Step:
    """Press this button so many seconds after the start."""

    button: str
    at_s: float


def parse_step(text: str) -> Step:
    """``paper_out@30s`` or ``jam@1.5s`` (also ``m`` for minutes). Raises SimulatorError."""
    match = re.fullmatch(r"([a-z_]+)@(\d+(?:\.\d+)?)(s|m)", text)
    if match is None:
        raise SimulatorError(f"step of a script: expected button@seconds such as paper_out@30s, got {text!r}")
    return Step(match[1], float(match[2]) * (60 if match[3] == "m" else 1))


class ScriptedPeer:
    """A device to which things happen by plan; time starts with the first call."""

    def __init__(self, peer: Peer, script: Sequence[str]) -> None:
        self.peer = peer
        self._steps = sorted(map(parse_step, script), key=lambda step: step.at_s)
        self._started: float | None = None
        for step in self._steps:
            if step.button not in peer.buttons:
                known = ", ".join(sorted(peer.buttons))
                raise UnknownName(f"script: button: expected one of {known}, got {step.button!r}")

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return self.peer.buttons

    def snapshot(self) -> dict[str, Any]:
        return self.peer.snapshot()

    def receive(self, data: bytes, now: float) -> Output:
        self._press_due(now)
        return self.peer.receive(data, now)

    def advance(self, now: float) -> Output:
        self._press_due(now)
        return self.peer.advance(now)

    def _press_due(self, now: float) -> None:
        self._started = now if self._started is None else self._started
        while self._steps and now - self._started >= self._steps[0].at_s:
            self.peer.buttons[self._steps.pop(0).button]()
