"""A sample of the fuzz runs on every protocol, the engine's own eyes, and the long run that the documents tell of."""

import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from tests.builders import fuzz as engine
from tests.builders.fuzz import FuzzFailure, Outcome, Target, fuzz, held_bytes, parts
from tests.firmware_bridge.fuzz_targets import SEED, protocols, run_part, target

SAMPLE, MANY = 2000, 1_000_000
RESULTS = "protocol-fuzz.json"


class Words:
    """A sound codec: ``<``, six letters, ``>``; the hooks below make unsound ones of it."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(self.find, 64)
        self.kept: list[bytes] = []

    def find(self, pending: bytes) -> Found:
        if not pending.startswith(b"<"):
            return skip(1)
        if len(pending) < 8:
            return NEED_MORE
        return frame(8) if pending[7:8] == b">" else skip(1)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Any:
        return self._buffer.next()

    def reset(self) -> None:
        self._buffer.reset()


class Raises(Words):
    def find(self, pending: bytes) -> Found:
        if pending[:1] == b"\xff":
            raise IndexError("length")
        return super().find(pending)


class Hangs(Words):
    def find(self, pending: bytes) -> Found:
        while pending[:1] == b"\xff":
            pass
        return super().find(pending)


class Grows(Words):
    def feed(self, data: bytes) -> None:
        self.kept.append(data * 10)
        super().feed(data)


class Deaf(Words):
    """After a broken word it hears nothing until it is reset."""

    def find(self, pending: bytes) -> Found:
        found = super().find(pending)
        if found < 0 and pending.startswith(b"<"):
            self.kept.append(b"")
        return skip(len(pending)) if self.kept else found

    def reset(self) -> None:
        self.kept.clear()
        super().reset()


class Forgetful(Words):
    """Words without an end mark, and half a word that no reset removes."""

    def find(self, pending: bytes) -> Found:
        found = super().find(pending)
        return frame(8) if pending.startswith(b"<") and found < 0 else found

    def reset(self) -> None: ...


def words(codec: type[Words]) -> Target:
    frames = (b"<letter>", b"<number>")
    return Target("words", codec, frames, () if codec is Forgetful else frames)


@pytest.mark.parametrize("name", protocols())
def test_spoiled_frames_neither_break_nor_fill_nor_deafen_a_codec(name: str) -> None:
    outcome = fuzz(target(name), SAMPLE, SEED)
    assert outcome.frames == SAMPLE
    assert outcome.probes == SAMPLE // engine.PROBE_EVERY


def test_a_sound_codec_passes_and_a_seed_repeats_its_run() -> None:
    first, second = fuzz(words(Words), 3000, 1), fuzz(words(Words), 3000, 1)
    assert first.bytes == second.bytes
    assert first.replies == second.replies > 100
    assert fuzz(words(Words), 3000, 2).bytes != first.bytes


@pytest.mark.parametrize(
    ("codec", "told"),
    [
        pytest.param(Raises, "raised IndexError", id="an exception"),
        pytest.param(Hangs, "it hangs", id="a hang"),
        pytest.param(Grows, "to hold at most", id="memory"),
        pytest.param(Deaf, "not found in", id="a frame that is not found again"),
        pytest.param(Forgetful, "at once after reset", id="a reset that is none"),
    ],
)
def test_the_engine_sees_what_is_wrong(codec: type[Words], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BATCH_WITHIN_S", 1.0)
    monkeypatch.setattr(engine, "HELD_LIMIT", 64 * 1024)
    monkeypatch.setattr(engine, "LONGEST_FRAME", 8)
    with pytest.raises(FuzzFailure, match=told):
        fuzz(words(codec), 20_000, SEED)


def test_what_a_codec_holds_is_measured() -> None:
    codec = Words()
    empty = held_bytes(codec)
    codec.feed(bytes(50_000))
    assert 50_000 <= held_bytes(codec) - empty < 51_000


def test_a_long_run_is_done_in_parts_of_the_same_total() -> None:
    done = parts(words(Words), 120_001, 5)
    assert [frames for _, frames, _ in done] == [50_000, 50_000, 20_001]
    assert len({seed for _, _, seed in done}) == 3


@pytest.mark.soak
def test_a_million_spoiled_frames_per_codec(repo_root: Path) -> None:
    work = [part for name in protocols() for part in parts(target(name), MANY, SEED)]
    totals = {name: Outcome() for name in protocols()}
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        for name, outcome in pool.map(run_part, work):
            totals[name].add(outcome)
    assert all(outcome.frames == MANY for outcome in totals.values())
    figures = {
        name: {
            "frames": outcome.frames,
            "bytes": outcome.bytes,
            "good_frames_found": outcome.probes,
            "seconds": round(outcome.seconds, 1),
            "peak_kib": outcome.peak_kib,
            "held_kib": outcome.held_kib,
        }
        for name, outcome in totals.items()
    }
    text = json.dumps({"seed": SEED, "protocols": figures}, indent=1)
    (repo_root / "docs" / RESULTS).write_text(text + "\n", "utf-8")
