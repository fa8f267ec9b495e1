"""A recorded session played back as a device: it says what the recorded device said to the same bytes.

Reads the files of ``hallfleet edge record`` (docs/line.md). A host that asks in another order, or again, is answered
from the place where it asked so in the recording. Masked bytes of the host fit whatever comes when it is their turn;
masked bytes of the device are zeros.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.errors import SimulatorError
from simulators.peripherals.peer import Output

FORMAT = 1
GAP_S = 0.5  # a rest that is older was something the recording does not know
LONGEST_S = 5.0  # an answer that took longer was waited for by a person: it comes sooner


@dataclass
class _Turn:
    """What the host said, and what the device answered: (seconds after the last byte of the host, bytes)."""

    known: bytes
    hidden: int = 0
    answers: Output = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.known) + self.hidden

    def fits(self, said: bytes) -> bool:
        """Whether ``said`` is the whole turn or its beginning."""
        return len(said) <= self.size and self.known.startswith(said[: len(self.known)])


class ReplayPeer:
    """The recorded device; it has no buttons."""

    buttons: Mapping[str, Callable[..., Any]] = {}

    def __init__(self, turns: list[_Turn]) -> None:
        self._turns = turns
        self._next = 0
        self._said = b""
        self._last = float("-inf")
        self._unknown = 0

    def receive(self, data: bytes, now: float) -> Output:
        if now - self._last > GAP_S:
            self._forget()
        self._last = now
        self._said += data
        output: Output = []
        while self._said and (turn := self._whole_turn()) is not None:
            self._said = self._said[turn.size :]
            output += [(now + after, said) for after, said in turn.answers]
        if self._said and not any(turn.fits(self._said) for turn in self._turns):
            self._forget()
        return output

    def advance(self, now: float) -> Output:
        return []

    def snapshot(self) -> dict[str, Any]:
        return {"turns": len(self._turns), "next": self._next, "unknown_bytes": self._unknown}

    def _whole_turn(self) -> _Turn | None:
        """The turn that has been said: the next one of the recording, else the first after it without masked bytes."""
        for step in range(len(self._turns)):
            at = (self._next + step) % len(self._turns)
            turn = self._turns[at]
            known = not turn.hidden or step == 0
            if known and len(self._said) >= turn.size and turn.fits(self._said[: turn.size]):
                self._next = (at + 1) % len(self._turns)
                return turn
        return None

    def _forget(self) -> None:
        self._unknown += len(self._said)
        self._said = b""


def load_replay(file: Path) -> ReplayPeer:
    """The device of a recording. Raises SimulatorError when the file is none."""
    try:
        lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        if not lines or lines[0].get("recording") != FORMAT:
            raise SimulatorError(f"{file}: expected a recording of format {FORMAT}, made by hallfleet edge record")
        return ReplayPeer(_turns([line for line in lines[1:] if "from" in line]))
    except OSError as error:
        raise SimulatorError(f"{file}: expected a recording, got: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SimulatorError(f"{file}: expected the JSON lines of a recording, got: {error!r}") from error


def peripheral_of(file: Path) -> str:
    """Id of the profile that was recorded. Raises SimulatorError."""
    load_replay(file)
    with file.open(encoding="utf-8") as recording:
        return str(json.loads(recording.readline()).get("peripheral", ""))


def _turns(lines: list[dict[str, Any]]) -> list[_Turn]:
    turns: list[_Turn] = []
    asked_at = 0.0
    for line in lines:
        data, hidden, at = bytes.fromhex(line["hex"]), int(line.get("masked", 0)), float(line["t"])
        if line["from"] == "host":
            turns.append(_Turn(data, hidden))
            asked_at = at
        elif turns and (said := data + bytes(hidden)):
            turns[-1].answers.append((min(max(0.0, at - asked_at), LONGEST_S), said))
    return [turn for turn in turns if turn.size]
