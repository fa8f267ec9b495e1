"""Telemetry that waits gives way by age and by what is free on the disk; nothing else does."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge_agent.outbox.keeping import DISK_LOW, LOOK_S, MARK_S, TOO_OLD, Limits, TelemetryKeeper
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.outbox.rules import DROP_CHUNK
from edge_agent.ports import Lane
from edge_agent.storage import Values
from tests.edge_agent.fakes import START, VirtualClock, machine_file, running

DAY_OF_MARKS = round(24 * 3600 / MARK_S)


class Disk:
    """What is free on it, in MiB."""

    free = 1000.0


@pytest.fixture
async def remembered(tmp_path: Path) -> AsyncIterator[Values]:
    async with machine_file(tmp_path) as file:
        yield Values(file)


def keeper(outbox: MemoryOutbox, remembered: Values, clock: VirtualClock, disk: Disk) -> TelemetryKeeper:
    return TelemetryKeeper(outbox, remembered, Limits(24, 64), lambda: disk.free, clock)


async def append(outbox: MemoryOutbox, count: int, lane: Lane = Lane.TELEMETRY, days: int = 0) -> None:
    for _ in range(count):
        await outbox.append("agent", "agent.sampled", {}, START + timedelta(days=days), lane)


def waiting(outbox: MemoryOutbox, lane: Lane) -> list[int]:
    return [row.sequence for row in outbox.rows if row.lane is lane and row.type == "agent.sampled"]


async def test_telemetry_that_waited_too_long_goes_and_business_stays(remembered: Values) -> None:
    outbox = MemoryOutbox()
    kept = keeper(outbox, remembered, VirtualClock(), Disk())
    await append(outbox, 3)
    await append(outbox, 1, Lane.BUSINESS)
    for _ in range(DAY_OF_MARKS):
        assert await kept.mark() == 0
    await append(outbox, 2)
    assert await kept.mark() == 3
    assert (waiting(outbox, Lane.TELEMETRY), waiting(outbox, Lane.BUSINESS)) == ([5, 6], [4])
    (fact,) = [row.data for row in outbox.rows if row.type == "agent.dropped"]
    assert (fact["from_sequence"], fact["to_sequence"], fact["reason"]) == (1, 3, TOO_OLD)


@pytest.mark.parametrize("days", [-366, 366])
async def test_a_clock_that_jumps_a_year_makes_nothing_old(remembered: Values, days: int) -> None:
    outbox, clock = MemoryOutbox(), VirtualClock()
    await append(outbox, 3)
    await append(outbox, 1, days=days)
    kept = keeper(outbox, remembered, clock, Disk())
    for _ in range(DAY_OF_MARKS - 1):
        assert await kept.mark() == 0
    assert len(waiting(outbox, Lane.TELEMETRY)) == 4


async def test_age_goes_on_after_a_restart_and_begins_anew_with_an_epoch(remembered: Values) -> None:
    outbox = MemoryOutbox()
    await append(outbox, 1)
    for _ in range(DAY_OF_MARKS):
        await keeper(outbox, remembered, VirtualClock(), Disk()).mark()
    assert await keeper(outbox, remembered, VirtualClock(), Disk()).mark() == 1
    other = MemoryOutbox(epoch=2)
    await append(other, 1)
    assert await keeper(other, remembered, VirtualClock(), Disk()).mark() == 0


async def test_below_the_floor_only_the_newest_telemetry_waits(remembered: Values) -> None:
    outbox, clock, disk = MemoryOutbox(), VirtualClock(), Disk()
    await append(outbox, 2000)
    await append(outbox, 1, Lane.BUSINESS)
    async with running(keeper(outbox, remembered, clock, disk).run):
        await clock.until(lambda: clock.monotonic() > 2 * LOOK_S)
        assert len(waiting(outbox, Lane.TELEMETRY)) == 2000
        disk.free = 63.9
        await clock.until(lambda: len(waiting(outbox, Lane.TELEMETRY)) == DROP_CHUNK)
    assert waiting(outbox, Lane.TELEMETRY)[-1] == 2000
    assert waiting(outbox, Lane.BUSINESS) == [2001]
    assert {row.data["reason"] for row in outbox.rows if row.type == "agent.dropped"} == {DISK_LOW}
    assert (await outbox.depth()).dropped == 2000 - DROP_CHUNK
