"""A fuzz engine for the receiving side of every protocol: spoiled frames by the million, the same for the same seed.

What holds for every codec, whatever comes in: no exception; bounded work per byte; bounded memory; and a good frame is
found again, after ``reset`` at once (as the link does before every request), and where it carries a checksum also
without, when the device goes on sending.
"""

import gc
import itertools
import random
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, FunctionType, MethodType, ModuleType
from typing import Any

from firmware_bridge.link import Codec

BATCH = 1000  # frames between two looks at memory
PROBE_EVERY = 50  # frames between two good frames
BATCH_WITHIN_S = 20.0  # processor time; a batch takes well under a second, longer is a hang
HELD_LIMIT = 512 * 1024  # bytes that a codec may hold, whatever it was fed
SHORT = 96  # most frames are cut to this: what breaks codecs are heads and ends, not the middle of a picture
LONGEST_FRAME = 128 * 1024  # none of the protocols has a longer one
CHUNKED = 0.1  # how many frames come in pieces


class FuzzFailure(AssertionError):
    """What a codec did wrong, with what leads there again."""


@dataclass(frozen=True)
class Target:
    """One protocol: how to make a codec, golden frames to spoil, and those of them that carry a checksum."""

    name: str
    codec: Callable[[], Codec[Any]]
    frames: tuple[bytes, ...]
    checked: tuple[bytes, ...]


@dataclass
class Outcome:
    """What a run has shown. ``held_kib``: the most that a codec held; ``peak_kib``: while it worked, allocations."""

    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0
    replies: int = 0
    probes: int = 0
    most_copies: int = 0
    held_kib: float = 0.0
    peak_kib: float = 0.0

    def add(self, other: "Outcome") -> None:
        """Another part of the same run."""
        for name in ("frames", "bytes", "seconds", "replies", "probes"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("most_copies", "held_kib", "peak_kib"):
            setattr(self, name, max(getattr(self, name), getattr(other, name)))


def fuzz(target: Target, frames: int, seed: int) -> Outcome:
    """Feed ``frames`` spoiled frames to one codec; raises FuzzFailure."""
    run = _Run(target, random.Random(f"{target.name}/{seed}"))
    started = time.perf_counter()
    with _watchdog(target.name, seed):
        for done in range(0, frames, BATCH):
            signal.setitimer(signal.ITIMER_VIRTUAL, BATCH_WITHIN_S)
            with _at(target.name, seed, done):
                # Traced, everything takes three times as long: the first batch and every hundredth show the peak.
                run.batch(min(BATCH, frames - done), traced=done // BATCH % 100 == 0)
    run.outcome.seconds = time.perf_counter() - started
    return run.outcome


class _Run:
    def __init__(self, target: Target, rng: random.Random) -> None:
        self.outcome = Outcome()
        self._target, self._rng = target, rng
        self._codec = target.codec()
        self._goals = [_only(target, frame) for frame in target.frames]
        self._checked = [goal for goal in self._goals if goal[0] in target.checked]
        self._spoil = [_flip, _flip, _cut_end, _cut_start, _splice, _noise, _swap, _repeat, _lengths]

    def batch(self, count: int, traced: bool) -> None:
        if traced:
            tracemalloc.start()
        for number in range(1, count + 1):
            self._feed(self._frame())
            if number % PROBE_EVERY == 0:
                self._probe()
        self.outcome.frames += count
        if traced:
            self.outcome.peak_kib = max(self.outcome.peak_kib, round(tracemalloc.get_traced_memory()[1] / 1024, 1))
            tracemalloc.stop()
        held = held_bytes(self._codec)
        self.outcome.held_kib = max(self.outcome.held_kib, round(held / 1024, 1))
        if held > HELD_LIMIT:
            raise FuzzFailure(f"expected a codec to hold at most {HELD_LIMIT} bytes, it holds {held}")

    def _frame(self) -> bytes:
        rng = self._rng
        frame = rng.choice(self._target.frames)
        if len(frame) > SHORT and rng.random() < 0.9:
            frame = frame[:SHORT] if rng.random() < 0.5 else frame[:16] + frame[-SHORT:]
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            frame = rng.choice(self._spoil)(frame, rng, self._target.frames)
        return frame

    def _feed(self, data: bytes) -> None:
        codec = self._codec
        self.outcome.bytes += len(data)
        if self._rng.random() < CHUNKED:
            at = self._rng.randrange(len(data) + 1)
            codec.feed(data[:at])
            self._drain()
            data = data[at:]
        codec.feed(data)
        self._drain()

    def _drain(self) -> None:
        taken = 0
        while self._codec.next_reply() is not None:
            taken += 1
            if taken > HELD_LIMIT:
                raise FuzzFailure("expected an end of replies to a few bytes, none came")
        self.outcome.replies += taken

    def _probe(self) -> None:
        """A good frame is found: in turn after a reset, and as it is where frames carry a checksum."""
        self.outcome.probes += 1
        if self._checked and self.outcome.probes % 2:
            self._find_again(*self._rng.choice(self._checked))
        else:
            frame, wanted = self._rng.choice(self._goals)
            self._codec.reset()
            if self._replies(frame) != [wanted]:
                raise FuzzFailure(f"expected {wanted!r} at once after reset(), got something else")

    def _find_again(self, frame: bytes, wanted: object) -> None:
        # A spoiled head may announce a long frame, which swallows what comes until it is seen to be wrong.
        for copies in range(1, 2 + LONGEST_FRAME // len(frame)):
            if wanted in self._replies(frame):
                self.outcome.most_copies = max(self.outcome.most_copies, copies)
                return
        raise FuzzFailure(f"expected {wanted!r} in the end, it was not found in {copies} copies of its frame")

    def _replies(self, data: bytes) -> list[Any]:
        self._codec.feed(data)
        return list(iter(self._codec.next_reply, None))


Spoil = Callable[[bytes, random.Random, tuple[bytes, ...]], bytes]


def _flip(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    if not frame:
        return rng.randbytes(1)
    at = rng.randrange(len(frame))
    return frame[:at] + bytes((frame[at] ^ rng.randrange(1, 256),)) + frame[at + 1 :]


def _cut_end(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    return frame[: rng.randrange(len(frame) + 1)]


def _cut_start(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    return frame[rng.randrange(len(frame) + 1) :]


def _splice(frame: bytes, rng: random.Random, frames: tuple[bytes, ...]) -> bytes:
    other = rng.choice(frames)[:SHORT]
    return frame[: rng.randrange(len(frame) + 1)] + other[rng.randrange(len(other) + 1) :]


def _noise(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    noise = rng.randbytes(rng.randrange(24))
    return rng.choice((noise, noise + frame, frame + noise))


def _swap(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    at = rng.randrange(len(frame) + 1)
    return frame[:at] + frame[at : at + 2][::-1] + frame[at + 2 :]


def _repeat(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    start = rng.randrange(len(frame) + 1)
    return frame + frame[start : start + rng.randrange(16)] * rng.randrange(4)


def _lengths(frame: bytes, rng: random.Random, _frames: tuple[bytes, ...]) -> bytes:
    """Extreme values near the head, where lengths and counts stand."""
    at = rng.randrange(min(len(frame), 12) + 1)
    return frame[:at] + rng.choice((b"\0", b"\xff", b"\x7f", b"\0\0", b"\xff\xff", b"\x80\0")) + frame[at + 1 :]


def _only(target: Target, frame: bytes) -> tuple[bytes, Any]:
    """A golden frame and the reply that it is."""
    codec = target.codec()
    codec.feed(frame)
    reply = codec.next_reply()
    if reply is None:
        raise FuzzFailure(f"{target.name}: expected a reply in every golden frame, none in {frame.hex(' ')}")
    return frame, reply


def held_bytes(root: object) -> int:
    """What ``root`` holds and nobody else has to: sizes of all that can be reached, without code and classes."""
    seen: set[int] = set()
    pending: list[object] = [root]
    total = 0
    while pending:
        item = pending.pop()
        if id(item) in seen or isinstance(item, type | ModuleType | FunctionType | MethodType | FrameType):
            continue
        seen.add(id(item))
        total += sys.getsizeof(item)
        pending += gc.get_referents(item)
    return total


@contextmanager
def _watchdog(name: str, seed: int) -> Iterator[None]:
    def hang(_number: int, _frame: object) -> None:
        raise FuzzFailure(f"{name}: expected {BATCH} frames within {BATCH_WITHIN_S:g} s (seed {seed}): it hangs")

    before = signal.signal(signal.SIGVTALRM, hang)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if tracemalloc.is_tracing():
            tracemalloc.stop()


@contextmanager
def _at(name: str, seed: int, done: int) -> Iterator[None]:
    try:
        yield
    except FuzzFailure as failure:
        raise FuzzFailure(f"{name}: seed {seed}, frames {done} to {done + BATCH}: {failure}") from failure
    except Exception as error:
        raise FuzzFailure(f"{name}: seed {seed}, frames {done} to {done + BATCH}: a codec raised {error!r}") from error


def parts(target: Target, frames: int, seed: int, size: int = 50_000) -> list[tuple[str, int, int]]:
    """A long run in parts that can be done beside each other: (protocol, frames, seed of the part)."""
    edges = [*range(0, frames, size), frames]
    return [(target.name, end - start, seed + n) for n, (start, end) in enumerate(itertools.pairwise(edges))]
