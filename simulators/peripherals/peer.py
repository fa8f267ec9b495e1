"""What every simulated peripheral is: bytes in, timed bytes out, buttons, something to see. No I/O, no clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from device_profiles.schema.peripheral import PeripheralProfile
from simulators.errors import SimulatorError
from simulators.people import People

Output = list[tuple[float, bytes]]
"""(time to send, bytes) in the order in which the device made them."""


class Peer(Protocol):
    """The far end of one line. ``now`` is seconds on any clock that does not run backwards."""

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        """What a person or a fault can do to the device; their output comes with the next ``advance``."""
        ...

    def receive(self, data: bytes, now: float) -> Output:
        """Bytes from the host; returns the answers and when to send them."""
        ...

    def advance(self, now: float) -> Output:
        """Time has passed or a button was pressed: returns what the device sends unasked."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """What an onlooker sees, as JSON values."""
        ...


@dataclass
class Surroundings:
    """What a device was built with: its profile, a seed, what the devices of one machine share, and its pace."""

    profile: PeripheralProfile
    seed: int
    shared: dict[str, Any] = field(default_factory=dict)
    speed: float = 1.0

    @property
    def people(self) -> People:
        """The people who come to this device; the same for all devices that share."""
        people = self.shared.setdefault("people", None) or People(self.seed)
        self.shared["people"] = people
        if not isinstance(people, People):
            raise SimulatorError(f"shared['people']: expected People, got {type(people).__name__}")
        return people

    def number(self, option: str, default: int) -> int:
        """A whole number from the profile's options."""
        value = self.profile.options.get(option, default)
        if not isinstance(value, int):
            raise SimulatorError(f"{self.profile.id}: option {option}: expected a whole number, got {value!r}")
        return value

    def word(self, option: str, default: str) -> str:
        """A word from the profile's options."""
        value = self.profile.options.get(option, default)
        if not isinstance(value, str):
            raise SimulatorError(f"{self.profile.id}: option {option}: expected text, got {value!r}")
        return value


class Inbox:
    """Bytes received and not yet understood: bounded, and forgotten after a silence on the line."""

    def __init__(self, gap_s: float = 0.5, limit: int = 4096) -> None:
        self._gap_s, self._limit = gap_s, limit
        self._last = float("-inf")
        self.data = bytearray()
        self.discarded = 0

    def add(self, data: bytes, now: float) -> None:
        """Take what arrived; a rest that is older than the gap was the start of a broken frame."""
        if now - self._last > self._gap_s:
            self.drop(len(self.data))
        self._last = now
        self.data += data
        self.drop(max(0, len(self.data) - self._limit))

    def take(self, count: int) -> bytes:
        """Remove and return the first bytes."""
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    def drop(self, count: int) -> None:
        """Throw the first bytes away as noise."""
        self.discarded += count
        del self.data[:count]

    def seek(self, start: bytes) -> bool:
        """Drop noise up to ``start``; False (keeping what may be its beginning) when it is not there yet."""
        at = self.data.find(start)
        if at >= 0:
            self.drop(at)
            return True
        keep = next((n for n in range(min(len(start) - 1, len(self.data)), 0, -1) if self.data.endswith(start[:n])), 0)
        self.drop(len(self.data) - keep)
        return False


class Pace:
    """One mechanism, one thing at a time: work takes its seconds (divided by ``speed``) after the work before."""

    def __init__(self, speed: float) -> None:
        if speed <= 0:
            raise SimulatorError(f"speed: expected more than 0, got {speed}")
        self._speed = speed
        self.free_at = float("-inf")

    def done_at(self, now: float, seconds: float) -> float:
        """When work of that length, started now or after the work before, is done."""
        self.free_at = max(now, self.free_at) + seconds / self._speed
        return self.free_at

    def busy(self, now: float) -> bool:
        """Whether the mechanism still moves."""
        return now < self.free_at


def xor(data: bytes | bytearray) -> int:
    """Exclusive or of all bytes."""
    value = 0
    for byte in data:
        value ^= byte
    return value


def broken_part(frame: bytes) -> int:
    """How much of a frame with a bad checksum to drop: up to the next byte that may start one, or all of it.

    The rest is not looked at byte by byte: a broken frame may hold what would pass for a control character.
    """
    next_start = frame.find(frame[:1], 1)
    return next_start if next_start > 0 else len(frame)
