"""What every telemetry store does alike: the embedded one and VictoriaMetrics."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cloud.core.errors import Invalid
from cloud.core.ids import new_id
from cloud.telemetry.adapters import open_store
from cloud.telemetry.port import Aggregate, Query, Retryable, Sample, Series, TelemetryStore

if TYPE_CHECKING:
    from tests.servers.victoria import Store

DAY_AT = 1_700_000_040_000  # a whole minute
MINUTE = 60_000


class Subject:
    """A store, a way to make its writes visible, and a device name that nobody else uses."""

    def __init__(self, store: TelemetryStore, flush: Callable[[], None]) -> None:
        self.store = store
        self.device = new_id("device")
        self._flush = flush

    def sample(self, offset_ms: int, value: float, *, field: str = "rtt_ms", slot: str = "printer") -> Sample:
        tags = (("device", self.device), ("hall", "h1"), ("slot", slot))
        return Sample("contract", tags, field, DAY_AT + offset_ms, value)

    async def write(self, *samples: Sample) -> None:
        await self.store.write(samples)
        await asyncio.to_thread(self._flush)

    async def ask(
        self,
        aggregate: Aggregate = Aggregate.AVG,
        *,
        start: int = 0,
        end: int = 3 * MINUTE,
        step: int = MINUTE,
        fields: tuple[str, ...] = ("rtt_ms",),
        by: tuple[str, ...] | None = None,
    ) -> list[Series]:
        where = {"device": self.device}
        query = Query("contract", fields, DAY_AT + start, DAY_AT + end, step, aggregate, where, by)
        return await self.store.query(query)

    async def points(self, aggregate: Aggregate = Aggregate.AVG, **options: int) -> list[tuple[int, float]]:
        found = await self.ask(aggregate, **options)  # type: ignore[arg-type]
        return [(at - DAY_AT, value) for series in found for at, value in series.points]


@pytest.fixture(params=["sqlite", pytest.param("victoria", marks=pytest.mark.victoria)])
async def subject(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Subject]:
    if request.param == "sqlite":
        store = open_store("", tmp_path / "telemetry.db")
        yield Subject(store, lambda: None)
    else:
        server: Store = request.getfixturevalue("victoria")
        store = open_store(f"influx+{server.url}?dialect=promql", tmp_path / "unused")
        yield Subject(store, server.flush)
    await store.close()


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [("avg", 20.0), ("min", 10.0), ("max", 30.0), ("sum", 60.0), ("count", 3.0), ("last", 20.0)],
)
async def test_aggregates_of_one_bucket(subject: Subject, aggregate: str, expected: float) -> None:
    await subject.write(subject.sample(0, 10), subject.sample(20_000, 30), subject.sample(40_000, 20))
    assert await subject.points(Aggregate(aggregate)) == [(0, expected)]


async def test_a_bucket_begins_with_its_label_and_ends_before_the_next(subject: Subject) -> None:
    await subject.write(subject.sample(0, 1), subject.sample(MINUTE - 1, 2), subject.sample(MINUTE, 4))
    assert await subject.points(Aggregate.SUM) == [(0, 3), (MINUTE, 4)]


async def test_the_end_is_outside_and_empty_buckets_are_left_out(subject: Subject) -> None:
    await subject.write(subject.sample(0, 1), subject.sample(2 * MINUTE, 2), subject.sample(3 * MINUTE, 4))
    assert await subject.points() == [(0, 1), (2 * MINUTE, 2)]


async def test_buckets_may_begin_anywhere_and_last_seconds(subject: Subject) -> None:
    await subject.write(*(subject.sample(second * 1000, second) for second in range(20)))
    assert await subject.points(Aggregate.COUNT, start=2_500, end=17_500, step=5_000) == [
        (2_500, 5), (7_500, 5), (12_500, 5),
    ]  # fmt: skip


async def test_a_sample_written_again_counts_once_and_the_last_one_wins(subject: Subject) -> None:
    await subject.write(subject.sample(1000, 1))
    await subject.write(subject.sample(1000, 7))
    await subject.write(subject.sample(1000, 7))
    assert await subject.points(Aggregate.COUNT) == [(0, 1)]
    assert await subject.points(Aggregate.MAX) == [(0, 7)]


async def test_late_samples_find_their_bucket(subject: Subject) -> None:
    await subject.write(subject.sample(2 * MINUTE, 5))
    await subject.write(subject.sample(1000, 3))
    assert await subject.points() == [(0, 3), (2 * MINUTE, 5)]


async def test_one_series_per_slot_and_field_unless_grouped(subject: Subject) -> None:
    await subject.write(
        subject.sample(0, 10),
        subject.sample(1, 30),
        subject.sample(0, 2, slot="pad"),
        subject.sample(0, 5, field="retries"),
    )
    found = await subject.ask(fields=("rtt_ms", "retries"))
    assert [(series.field, dict(series.tags)["slot"], series.points[0][1]) for series in found] == [
        ("retries", "printer", 5), ("rtt_ms", "pad", 2), ("rtt_ms", "printer", 20),
    ]  # fmt: skip
    (grouped,) = await subject.ask(by=("hall",))
    assert (grouped.tags, grouped.points) == ((("hall", "h1"),), [(DAY_AT, 14.0)])  # of all samples, not of series


async def test_many_random_samples_agree_with_plain_arithmetic(subject: Subject) -> None:
    chance = random.Random(7)
    samples = {chance.randrange(3 * MINUTE): round(chance.uniform(-50, 50), 3) for _ in range(300)}
    await subject.write(*(subject.sample(at, value) for at, value in samples.items()))
    buckets: dict[int, list[float]] = {}
    for at, value in samples.items():
        buckets.setdefault(at // 30_000 * 30_000, []).append(value)
    expected = {start: sum(values) / len(values) for start, values in buckets.items()}
    assert dict(await subject.points(step=30_000)) == pytest.approx(expected)


async def test_last_cannot_be_grouped(subject: Subject) -> None:
    with pytest.raises(Invalid, match="last"):
        await subject.ask(Aggregate.LAST, by=("hall",))


async def test_nothing_written_is_no_series(subject: Subject) -> None:
    assert await subject.ask() == []
    await subject.store.write([])
    assert await subject.store.health()


async def test_purge_forgets_where_the_store_keeps_no_retention_of_its_own(subject: Subject) -> None:
    await subject.write(subject.sample(0, 1), subject.sample(2 * MINUTE, 2))
    await subject.store.purge(DAY_AT + MINUTE)
    left = await subject.points()
    assert left == ([(2 * MINUTE, 2)] if subject.store.caps().purges else [(0, 1), (2 * MINUTE, 2)])


async def test_the_latest_sample_of_each_series(subject: Subject) -> None:
    now_ms = time.time_ns() // 1_000_000 - DAY_AT  # a server looks back one day
    await subject.write(subject.sample(now_ms - 5000, 1), subject.sample(now_ms - 1000, 2))
    (found,) = await subject.store.latest("contract", ["rtt_ms"], {"device": subject.device})
    assert (found.value, found.ts_ms) == (2, DAY_AT + now_ms - 1000)


async def test_a_server_that_is_away_is_retryable(free_port: int, tmp_path: Path) -> None:
    store = open_store(f"influx+http://127.0.0.1:{free_port}?dialect=promql", tmp_path / "unused")
    try:
        with pytest.raises(Retryable):
            await store.write([Sample("contract", (), "rtt_ms", DAY_AT, 1.0)])
        with pytest.raises(Retryable):
            await store.latest("contract", ["rtt_ms"], {})
        assert not await store.health()
    finally:
        await store.close()


@pytest.mark.parametrize(
    "url", ["http://x", "influx+http://", "influx+http://h?dialect=flux", "influx+http://h?user=a"]
)
async def test_a_wrong_address_says_what_is_expected(url: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"expected influx\+http://host:port"):
        open_store(url, tmp_path / "unused")
