"""The buffer between facts and the telemetry store."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from cloud.core.clock import SetClock, to_ms
from cloud.core.facts import Fact
from cloud.core.metrics import Metrics
from cloud.telemetry import recorder
from cloud.telemetry.limits import MAX_AHEAD_MS, check
from cloud.telemetry.port import Caps, Query, Rejected, Retryable, Sample, Series
from cloud.telemetry.recorder import CLAMPED, DROPPED, WRITTEN, Recorder
from tests.builders.facts import AT

NOW_MS = to_ms(AT)


class Store:
    """A store that can be away, refuse, and forget like one that was killed."""

    def __init__(self, durable_after_s: float = 0.0) -> None:
        self.kept: dict[tuple[object, ...], float] = {}
        self.away = self.refuses = False
        self.written = asyncio.Event()
        self.tried = asyncio.Event()
        self._caps = Caps(durable_after_s, purges=True)

    async def write(self, points: Sequence[Sample]) -> None:
        self.tried.set()
        if self.away:
            raise Retryable("away")
        if self.refuses:
            raise Rejected("no")
        self.kept.update({(point.tags, point.field, point.ts_ms): point.value for point in points})
        self.written.set()

    def caps(self) -> Caps:
        return self._caps

    async def query(self, query: Query) -> list[Series]:
        return []

    async def latest(self, measurement: str, fields: Sequence[str], where: Mapping[str, str]) -> list[Sample]:
        return []

    async def purge(self, before_ms: int) -> None: ...

    async def health(self) -> bool:
        return not self.away

    async def close(self) -> None: ...


def sampled(*values: float, at_ms: int = NOW_MS) -> list[Fact]:
    samples = [
        {"at_ms": at_ms + number, "slot": "printer", "metrics": {"rtt_ms": value}}
        for number, value in enumerate(values)
    ]
    return [Fact("agent.sampled", AT, {"samples": samples}, "kiosk-1", hall="demo-hall"), Fact("ticket.issued", AT)]


@asynccontextmanager
async def running(store: Store, room: int = 1000) -> AsyncIterator[tuple[Recorder, Metrics]]:
    metrics = Metrics()
    writer = Recorder(store, SetClock(AT), metrics, room)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(writer.run())
        async with asyncio.timeout(10):
            yield writer, metrics
        task.cancel()


async def test_samples_reach_the_store_with_their_tags() -> None:
    store = Store()
    async with running(store) as (writer, metrics):
        writer.heard(sampled(1.5))
        await store.written.wait()
    tags = (("device", "kiosk-1"), ("hall", "demo-hall"), ("slot", "printer"))
    assert store.kept == {(tags, "rtt_ms", NOW_MS): 1.5}
    assert metrics.value(WRITTEN) == 1


async def test_a_store_that_was_away_gets_everything_later() -> None:
    store = Store()
    store.away = True
    async with running(store) as (writer, _):
        writer.heard(sampled(1, 2))
        await store.tried.wait()
        writer.heard(sampled(3, at_ms=NOW_MS + 100))
        store.away = False
        while len(store.kept) < 3:
            store.written.clear()
            await store.written.wait()
    assert sorted(store.kept.values()) == [1, 2, 3]


async def test_what_a_killed_store_forgot_is_written_again() -> None:
    store = Store(durable_after_s=30)
    async with running(store) as (writer, _):
        writer.heard(sampled(1))
        await store.written.wait()
        store.kept.clear()  # killed: it had said yes, and lost it
        store.away = True
        store.tried.clear()
        writer.heard(sampled(2, at_ms=NOW_MS + 100))
        await store.tried.wait()
        store.away = False
        while len(store.kept) < 2:
            store.written.clear()
            await store.written.wait()
    assert sorted(store.kept.values()) == [1, 2]


async def test_without_room_the_oldest_go_and_are_counted() -> None:
    metrics = Metrics()
    writer = Recorder(Store(), SetClock(AT), metrics, max_waiting=3)
    writer.heard(sampled(1, 2, 3, 4, 5))
    assert [sample.value for sample in writer._waiting] == [3, 4, 5]
    assert metrics.value(DROPPED, reason="no_room") == 2


async def test_what_a_store_refuses_is_counted_and_does_not_block() -> None:
    store = Store()
    store.refuses = True
    async with running(store) as (writer, metrics):
        writer.heard(sampled(1))
        await store.tried.wait()
        store.refuses = False
        writer.heard(sampled(2, at_ms=NOW_MS + 100))
        await store.written.wait()
    assert list(store.kept.values()) == [2]
    assert metrics.value(DROPPED, reason="rejected") == 1


async def test_cancelling_while_writing_is_clean() -> None:
    store = Store()
    store.away = True
    async with running(store) as (writer, _):
        writer.heard(sampled(1))
        await store.tried.wait()
    assert len(writer._waiting) == 1


def test_clocks_ahead_are_pulled_back_and_counted() -> None:
    metrics = Metrics()
    writer = Recorder(Store(), SetClock(AT), metrics)
    writer.heard(sampled(1, at_ms=NOW_MS + MAX_AHEAD_MS + 1))
    assert [sample.ts_ms for sample in writer._waiting] == [NOW_MS]
    assert metrics.value(CLAMPED) == 1


def test_what_cannot_be_stored_is_left_out() -> None:
    tags = (("device", "kiosk-1"),)
    wrong = [
        Sample("machine", tags, "UPPER", NOW_MS, 1),
        Sample("machine", tags, "a b", NOW_MS, 1),
        Sample("machine", (("device", 'a"b'),), "rtt_ms", NOW_MS, 1),
        Sample("machine", (("owner", "x"),), "rtt_ms", NOW_MS, 1),
        Sample("machine", tags, "rtt_ms", NOW_MS, float("nan")),
        Sample("machine", tags, "rtt_ms", 5, 1),
    ]
    checked = check([*wrong, Sample("machine", tags, "rtt_ms", NOW_MS, 1)], NOW_MS)
    assert (len(checked.good), checked.rejected) == (1, len(wrong))


def test_malformed_samples_of_a_machine_are_skipped() -> None:
    data = {"samples": [7, {"at_ms": "x", "metrics": {"a": 1}}, {"metrics": 3}, {"at_ms": 1, "metrics": {"a": "b"}}]}
    assert list(recorder.samples_of(Fact("agent.sampled", AT, data))) == []
