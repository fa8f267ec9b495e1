"""What every outbox promises; the same tests on the file and on the one in memory."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.errors import OutboxFull
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.ports import Lane, Outbox

AT = datetime(2026, 3, 2, 1, 2, 3, 456789, tzinfo=UTC)
BIG = {"filling": "x" * 40_000}


@pytest.fixture(params=["memory", "sqlite"])
async def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Outbox]:
    if request.param == "memory":
        yield MemoryOutbox(epoch=7, room_bytes=1 << 20)
        return
    on_disk = SqliteOutbox(tmp_path / "outbox.db", room_mib=2)
    await on_disk.open(AT)
    yield on_disk
    await on_disk.close()


async def fill(outbox: Outbox, lane: Lane) -> int:
    """Append until it is full or 200 rows are in; how many were taken."""
    for count in range(200):
        try:
            await outbox.append("agent", "agent.sampled", BIG, AT, lane)
        except OutboxFull:
            return count
    return 200


async def test_sequences_count_from_one_in_the_order_of_appending(outbox: Outbox) -> None:
    assert [await outbox.append("printer", "printer.paper_low", {"n": n}, AT) for n in range(5)] == [1, 2, 3, 4, 5]
    rows = await outbox.peek(0, 10)
    assert [(row.sequence, row.data["n"]) for row in rows] == [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4)]


async def test_a_row_comes_back_as_it_was_given(outbox: Outbox) -> None:
    data = {"text": "号 A012", "nested": {"list": [1, 2.5, None, True]}}
    await outbox.append("printer", "printer.paper_out", data, AT, Lane.TELEMETRY)
    (row,) = await outbox.peek(0, 1)
    assert (row.slot, row.type, row.data, row.at, row.lane) == (
        "printer",
        "printer.paper_out",
        data,
        AT,
        Lane.TELEMETRY,
    )


async def test_the_origin_of_a_slots_newest_event_is_remembered(outbox: Outbox) -> None:
    assert await outbox.last_origin("caller") == ""
    for origin in ("boot 1/1/0.5", "boot 2/3/9.0", ""):
        await outbox.append("caller", "caller.key_pressed", {}, AT, origin=origin)
    assert await outbox.last_origin("caller") == "boot 2/3/9.0"
    assert await outbox.last_origin("pad") == ""
    await outbox.ack(outbox.epoch, 3)
    assert await outbox.last_origin("caller") == "boot 2/3/9.0"  # it outlives the row


async def test_peek_starts_after_a_sequence_and_takes_nothing_away(outbox: Outbox) -> None:
    for _ in range(4):
        await outbox.append("agent", "ticket.issued", {}, AT)
    assert [row.sequence for row in await outbox.peek(2, 1)] == [3]
    assert [row.sequence for row in await outbox.peek(2, 9)] == [3, 4]
    assert [row.sequence for row in await outbox.peek(0, 9)] == [1, 2, 3, 4]


async def test_only_the_clouds_acknowledgement_frees_rows(outbox: Outbox) -> None:
    for _ in range(4):
        await outbox.append("agent", "ticket.issued", {}, AT)
    await outbox.ack(outbox.epoch, 3)
    assert [row.sequence for row in await outbox.peek(0, 9)] == [4]
    assert await outbox.acknowledged() == 3
    assert (await outbox.depth()).business == 1
    assert await outbox.append("agent", "ticket.issued", {}, AT) == 5


@pytest.mark.parametrize(("epoch_offset", "sequence"), [(1, 2), (-1, 2), (0, 3), (0, 0)])
async def test_an_acknowledgement_that_cannot_be_is_ignored(outbox: Outbox, epoch_offset: int, sequence: int) -> None:
    await outbox.append("agent", "ticket.issued", {}, AT)
    await outbox.append("agent", "ticket.issued", {}, AT)
    await outbox.ack(outbox.epoch + epoch_offset, sequence)
    assert len(await outbox.peek(0, 9)) == 2


async def test_an_older_acknowledgement_does_not_go_back(outbox: Outbox) -> None:
    for _ in range(3):
        await outbox.append("agent", "ticket.issued", {}, AT)
    await outbox.ack(outbox.epoch, 2)
    await outbox.ack(outbox.epoch, 1)
    assert await outbox.acknowledged() == 2


async def test_depth_counts_lanes_and_knows_the_oldest(outbox: Outbox) -> None:
    await outbox.append("agent", "agent.sampled", {}, AT + timedelta(seconds=5), Lane.TELEMETRY)
    await outbox.append("agent", "ticket.issued", {}, AT)
    depth = await outbox.depth()
    assert (depth.business, depth.telemetry, depth.last_sequence, depth.oldest_at) == (1, 1, 2, AT)


async def test_full_of_telemetry_the_oldest_gives_way_and_is_accounted_for(outbox: Outbox) -> None:
    assert await fill(outbox, Lane.TELEMETRY) == 200
    rows = await outbox.peek(0, 1000)
    kept = {row.sequence for row in rows}
    dropped: set[int] = set()
    for row in rows:
        if row.type == "agent.dropped":
            assert row.lane is Lane.BUSINESS
            dropped |= set(range(row.data["from_sequence"], row.data["to_sequence"] + 1))
    assert dropped
    assert not kept & dropped
    assert kept | dropped == set(range(1, rows[-1].sequence + 1))


async def test_drops_can_be_asked_for_by_range(outbox: Outbox) -> None:
    await fill(outbox, Lane.TELEMETRY)
    (first, *_) = await outbox.dropped(1, 1)
    assert first.data["from_sequence"] == 1
    last = (await outbox.depth()).last_sequence
    assert await outbox.dropped(last, last) == []


async def test_business_rows_are_refused_rather_than_dropped(outbox: Outbox) -> None:
    taken = await fill(outbox, Lane.BUSINESS)
    assert 0 < taken < 200
    assert (await outbox.depth()).business == taken
    assert [row.sequence for row in await outbox.peek(0, 1000)] == list(range(1, taken + 1))


async def test_business_rows_push_telemetry_out(outbox: Outbox) -> None:
    await fill(outbox, Lane.TELEMETRY)
    await outbox.append("agent", "ticket.issued", BIG, AT)
    assert (await outbox.peek((await outbox.depth()).last_sequence - 1, 1))[0].type == "ticket.issued"


async def test_nothing_new_is_begun_when_business_rows_fill_four_fifths(outbox: Outbox) -> None:
    assert await outbox.accepts_flows()
    taken = await fill(outbox, Lane.BUSINESS)
    assert not await outbox.accepts_flows()
    await outbox.ack(outbox.epoch, taken // 2)
    assert await outbox.accepts_flows()
    await outbox.append("agent", "ticket.issued", BIG, AT)


async def test_telemetry_alone_never_stops_flows(outbox: Outbox) -> None:
    await fill(outbox, Lane.TELEMETRY)
    assert await outbox.accepts_flows()


async def test_waiting_ends_with_the_next_row(outbox: Outbox) -> None:
    await outbox.append("agent", "ticket.issued", {}, AT)
    await outbox.wait_beyond(0)


async def test_given_up_telemetry_is_the_oldest_and_is_told_with_its_range_and_reason(outbox: Outbox) -> None:
    for lane in (Lane.TELEMETRY, Lane.TELEMETRY, Lane.BUSINESS, Lane.TELEMETRY, Lane.TELEMETRY):
        await outbox.append("agent", "agent.sampled", {}, AT, lane)
    assert await outbox.give_up(4, keep=1, reason="waited too long", at=AT) == 3
    rows = await outbox.peek(0, 9)
    told = [(row.data["from_sequence"], row.data["to_sequence"], row.data["reason"]) for row in rows[2:]]
    assert [row.sequence for row in rows[:2]] == [3, 5]
    assert told == [(1, 2, "waited too long"), (4, 4, "waited too long")]
    assert ((await outbox.depth()).dropped, outbox.last_sequence) == (3, 7)
    assert await outbox.give_up(7, keep=1, reason="waited too long", at=AT) == 0


async def test_what_was_acknowledged_once_is_told_in_one_fact_however_often_it_is_asked_for(outbox: Outbox) -> None:
    for _ in range(3):
        await outbox.append("agent", "ticket.issued", {}, AT)
    await outbox.ack(outbox.epoch, 2)
    first, again = await outbox.freed(AT), await outbox.freed(AT)
    assert first == again
    assert (first.type, first.sequence, first.data) == ("agent.freed", 4, {"from_sequence": 1, "to_sequence": 2})
    await outbox.ack(outbox.epoch, 3)
    assert (await outbox.freed(AT)).data["to_sequence"] == 3


async def test_what_is_late_is_told_by_both_sides_of_the_present(outbox: Outbox) -> None:
    """A time ahead of now is a clock that was set back since: older than it looks."""
    now, moment = AT + timedelta(days=30), timedelta(seconds=10)
    for at in (AT, now + timedelta(days=365), now):
        await outbox.append("agent", "ticket.issued", {}, at)
    assert await outbox.late_up_to(now - moment, now + moment) == 2
    assert await outbox.late_up_to(AT, now + timedelta(days=366)) == 0
