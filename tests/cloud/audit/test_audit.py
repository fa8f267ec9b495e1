"""What happens is written down in its own transaction, and whoever changes what was written is found out, and where."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from cloud.audit.jobs import AnchorTimer
from cloud.audit.model import Anchor, Entry, Head, Kind, Verdict
from cloud.audit.service.export import check_export, export
from cloud.audit.service.record import check
from cloud.audit.states import Draft, canonical, chained, link, shape
from cloud.audit.store import entries
from cloud.audit.store.tables import ENTRIES, HEAD
from cloud.core.actors import CURRENT, Actor
from cloud.core.clock import SetClock
from cloud.core.errors import Invalid
from cloud.core.facts import Fact
from cloud.queues.states import CounterStep
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database
from cloud.wiring import Cloud
from device_profiles.capabilities import CAPABILITIES
from device_profiles.hall.ticket_states import Actor as TicketActor
from device_profiles.messages.facts import status_fact
from tests.builders.clouds import MORNING, come_online, open_cloud, tell

MACHINE = "ticket-1"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", clock) as opened:
        yield opened


async def report(cloud: Cloud, field: str, value: str, previous: str = "full") -> Fact:
    fact_type, change = status_fact(CAPABILITIES["printer"], field, value, previous)
    return await tell(cloud, MACHINE, fact_type, change.model_dump(exclude_none=True), "printer")


async def written(cloud: Cloud) -> list[Entry]:
    return await cloud.db.read(lambda conn: list(entries.walk_all(conn)))


async def verdict(cloud: Cloud) -> Verdict:
    anchors = cloud.audit.anchors()
    return await cloud.db.read(lambda conn: check(conn, anchors))


async def anchor(cloud: Cloud) -> None:
    await AnchorTimer(cloud.db, cloud.audit, cloud.clock).anchor()


async def a_morning(cloud: Cloud, count: int = 10) -> None:
    """The chain grows to at least ``count`` entries, in units of one and of several."""
    for number in range(count):
        await report(cloud, "paper", "low" if number % 2 else "full")
        if number % 3 == 0:
            await come_online(cloud, MACHINE, "offline" if number % 2 else "online")


async def tamper(cloud: Cloud, change: Callable[[sa.Connection], object]) -> None:
    """Somebody with the database's password and no respect."""
    await cloud.db.write(lambda tx: change(tx.conn))


def at(sequence: int) -> sa.ColumnElement[bool]:
    return ENTRIES.c.sequence == sequence


async def test_a_status_change_is_recorded_with_its_machine_and_message(cloud: Cloud) -> None:
    fact = await report(cloud, "paper", "out")
    entry = (await written(cloud))[-1]
    assert (entry.action, entry.hall, entry.machine, entry.slot) == (
        "printer.paper_out",
        "demo-hall",
        MACHINE,
        "printer",
    )
    assert entry.subject == f"{MACHINE}/1/{fact.sequence}"
    assert entry.detail["field"] == "paper"
    assert entry.detail["code"] == "paper_out"
    assert (await verdict(cloud)).intact


async def test_the_start_tells_settings_and_catalogue_without_values(cloud: Cloud) -> None:
    first = (await written(cloud))[0]
    assert (first.sequence, first.action, first.actor) == (1, "cloud.started", "system:cloud")
    assert "data_dir" in first.detail["changed"]
    assert len(first.detail["settings"]) == len(first.detail["catalogue"]) == 64
    assert "desired_changed" in " ".join(entry.action for entry in await written(cloud))


async def test_every_act_of_a_person_is_theirs(cloud: Cloud) -> None:
    await report(cloud, "paper", "out")
    reset = CURRENT.set(Actor("person", "account_1"))
    try:
        alert = (await cloud.db.read(lambda conn: cloud.alerts.to_be_seen(conn, "demo-hall")))[0]
        await cloud.db.write(lambda tx: cloud.alerts.acknowledge(tx, alert.alert_id))
        await cloud.db.write(lambda tx: cloud.alerts.shelve(tx, alert.alert_id, 60))
        service = next(iter(cloud.queues.plans["demo-hall"].services))
        ticket = await cloud.db.write(lambda tx: cloud.queues.tickets.issue(tx, "demo-hall", service))
        await cloud.db.write(lambda tx: cloud.queues.tickets.cancel(tx, ticket.ticket_id, TicketActor.CLERK))
        await cloud.db.write(lambda tx: cloud.queues.counters.turn(tx, "demo-hall:c1", CounterStep.OPEN))
        await cloud.db.write(lambda tx: cloud.twins.set_desired(tx, MACHINE, {"public_url": "http://other"}))
        case = await cloud.db.write(lambda tx: cloud.flows.start(tx, "endorse-1", "hk-macao-endorsement"))
        await cloud.db.write(lambda tx: cloud.flows.cancel(tx, case.case_id))
    finally:
        CURRENT.reset(reset)
    theirs = {entry.action for entry in await written(cloud) if entry.actor == "person:account_1"}
    assert {
        "alert.acknowledged", "alert.shelved", "ticket.cancelled", "counter.opened", "twin.desired_changed",
        "case.cancelled", "command.issued",
    } <= theirs  # fmt: skip


async def test_a_command_is_recorded_when_asked_and_when_settled(cloud: Cloud, clock: SetClock) -> None:
    command_id = await cloud.db.write(
        lambda tx: cloud.commands.send(tx, MACHINE, "printer", "reset", {}, start_in_s=5, run_for_s=5, key="k")
    )
    clock.advance(60)
    await cloud.db.write(cloud.commands.expire)
    about = [(entry.action, dict(entry.detail)) for entry in await written(cloud) if entry.subject == command_id]
    assert about == [
        ("command.issued", {"name": "reset"}),
        ("command.settled", {"name": "reset", "outcome": "expired", "code": "command_expired"}),
    ]


async def test_what_is_undone_is_not_recorded(cloud: Cloud) -> None:
    before = len(await written(cloud))

    def fails(tx: Tx) -> None:
        cloud.audit.note(tx, "test.happened", "", {})
        raise Invalid("no")

    with pytest.raises(Invalid):
        await cloud.db.write(fails)

    def half(tx: Tx) -> None:
        cloud.audit.note(tx, "test.stays", "", {})
        with pytest.raises(Invalid), tx.savepoint():
            fails(tx)
        cloud.audit.note(tx, "test.follows", "", {})

    await cloud.db.write(half)
    assert [entry.action for entry in (await written(cloud))[before:]] == ["test.stays", "test.follows"]
    assert (await verdict(cloud)).intact


async def test_two_processes_write_one_chain(cloud: Cloud, database_url: str) -> None:
    async with Database(database_url) as other:
        for number in range(20):
            for db in (cloud.db, other):
                await db.write(partial(cloud.audit.note, action="test.happened", subject=str(number), detail={}))
    found = await verdict(cloud)
    assert found.intact
    assert sum(entry.action == "test.happened" for entry in await written(cloud)) == 40


words = st.text(max_size=20)


@given(words, words, words, st.dictionaries(words, words | st.integers() | st.lists(words)))
def test_the_quick_way_and_the_plain_way_give_the_same_hash(
    actor: str, action: str, subject: str, detail: dict[str, object]
) -> None:
    before = Head(41, "ab" * 32)
    row = chained(before, Draft(5, actor, action, "hall", "machine", "slot", subject, canonical(detail)))
    entry = Entry(42, 5, actor, action, "hall", "machine", "slot", subject, detail, "sha-256", before.hash, "")
    assert row == _columns(link(entry))


# -- tampering


@pytest.mark.parametrize(
    ("column", "value"),
    [("actor", "person:nobody"), ("detail", "{}"), ("at_ms", 1), ("subject", "x"), ("hash", "0" * 64), ("hall", "h")],
)
async def test_a_changed_field_is_found(cloud: Cloud, column: str, value: str | int) -> None:
    await a_morning(cloud)
    await tamper(cloud, lambda conn: conn.execute(sa.update(ENTRIES).where(at(7)).values({column: value})))
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind) == (7, Kind.CHANGED)


async def test_a_changed_entry_with_a_fitting_hash_is_found_by_the_next(cloud: Cloud) -> None:
    await a_morning(cloud)
    entry = link(replace((await written(cloud))[6], actor="person:nobody"))
    values = {"actor": entry.actor, "hash": entry.hash}
    await tamper(cloud, lambda conn: conn.execute(sa.update(ENTRIES).where(at(7)).values(values)))
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind, len(found.problems)) == (7, Kind.UNLINKED, 1)


async def test_a_deleted_entry_is_found(cloud: Cloud) -> None:
    await a_morning(cloud)
    await tamper(cloud, lambda conn: conn.execute(sa.delete(ENTRIES).where(at(5))))
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind, len(found.problems)) == (5, Kind.MISSING, 1)


async def test_a_deleted_beginning_is_found(cloud: Cloud) -> None:
    await a_morning(cloud)
    await tamper(cloud, lambda conn: conn.execute(sa.delete(ENTRIES).where(ENTRIES.c.sequence < 4)))
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind, found.problems[0].until) == (1, Kind.MISSING, 3)


def _renumber(conn: sa.Connection, from_sequence: int, by: int) -> None:
    for sequence in sorted(conn.scalars(sa.select(ENTRIES.c.sequence)), reverse=by > 0):
        if sequence >= from_sequence:
            conn.execute(sa.update(ENTRIES).where(at(sequence)).values(sequence=sequence + by))


async def test_a_deleted_entry_whose_gap_was_closed_is_found(cloud: Cloud) -> None:
    await a_morning(cloud)

    def close_up(conn: sa.Connection) -> None:
        conn.execute(sa.delete(ENTRIES).where(at(5)))
        _renumber(conn, 6, -1)

    await tamper(cloud, close_up)
    assert (await verdict(cloud)).first_bad == 5


async def test_an_inserted_entry_is_found(cloud: Cloud) -> None:
    await a_morning(cloud)
    model = (await written(cloud))[5]
    forged = link(replace(model, sequence=6, action="alert.resolved", previous=model.previous))

    def insert(conn: sa.Connection) -> None:
        _renumber(conn, 6, 1)
        conn.execute(sa.insert(ENTRIES).values(**{**_columns(forged), "sequence": 6}))

    await tamper(cloud, insert)
    found = await verdict(cloud)
    assert found.first_bad in (6, 7)  # the forged one fits what is before it: the next one gives it away
    assert {problem.kind for problem in found.problems} >= {Kind.CHANGED}


async def test_an_entry_put_behind_the_end_is_found(cloud: Cloud) -> None:
    await a_morning(cloud)
    last = (await written(cloud))[-1]
    forged = link(replace(last, sequence=last.sequence + 1, previous=last.hash))
    await tamper(cloud, lambda conn: conn.execute(sa.insert(ENTRIES).values(**_columns(forged))))
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind) == (last.sequence + 1, Kind.APPENDED)


async def test_swapped_entries_are_found(cloud: Cloud) -> None:
    await a_morning(cloud)

    def swap(conn: sa.Connection) -> None:
        for old, new in ((4, 1000), (8, 4), (1000, 8)):
            conn.execute(sa.update(ENTRIES).where(at(old)).values(sequence=new))

    await tamper(cloud, swap)
    found = await verdict(cloud)
    assert found.first_bad == 4
    assert {problem.sequence for problem in found.problems if problem.kind is Kind.CHANGED} == {4, 8}


async def test_a_cut_end_is_found_by_the_head(cloud: Cloud) -> None:
    await a_morning(cloud)
    await tamper(cloud, lambda conn: conn.execute(sa.delete(ENTRIES).where(ENTRIES.c.sequence > 9)))
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind) == (10, Kind.TRUNCATED)


async def test_a_cut_end_with_a_fitting_head_is_found_by_an_anchor(cloud: Cloud) -> None:
    await a_morning(cloud)
    await anchor(cloud)
    ninth = (await written(cloud))[8]

    def cut(conn: sa.Connection) -> None:
        conn.execute(sa.delete(ENTRIES).where(ENTRIES.c.sequence > 9))
        conn.execute(sa.update(HEAD).values(sequence=9, hash=ninth.hash))

    await tamper(cloud, cut)
    found = await verdict(cloud)
    assert (found.first_bad, found.problems[0].kind) == (10, Kind.TRUNCATED)


def _columns(entry: Entry) -> dict[str, object]:
    return {**shape(entry), "detail": canonical(entry.detail), "hash": entry.hash}


def _rewrite(conn: sa.Connection, from_sequence: int) -> None:
    """Everything from here on anew, consistent to the last hash."""
    chain = list(entries.walk_all(conn))
    previous = chain[from_sequence - 2].hash if from_sequence > 1 else chain[0].previous
    for entry in chain[from_sequence - 1 :]:
        new = link(replace(entry, previous=previous, actor="person:nobody"))
        conn.execute(sa.update(ENTRIES).where(at(entry.sequence)).values(**_columns(new)))
        previous = new.hash
    conn.execute(sa.update(HEAD).values(hash=previous))


@pytest.mark.parametrize("from_sequence", [1, 8])
async def test_a_rewritten_chain_is_found_by_an_anchor_and_located_between_two(
    cloud: Cloud, from_sequence: int
) -> None:
    await a_morning(cloud, 3)
    await anchor(cloud)
    first = cloud.audit.anchors()[-1].sequence
    await a_morning(cloud)
    await anchor(cloud)
    from_sequence = max(from_sequence, first + 2) if from_sequence > 1 else 1
    await tamper(cloud, lambda conn: _rewrite(conn, from_sequence))
    assert (await cloud.db.read(lambda conn: check(conn, ()))).intact  # nothing in the database gives it away
    found = await verdict(cloud)
    problem = found.problems[0]
    assert problem.kind is Kind.REWRITTEN
    assert problem.sequence == (1 if from_sequence == 1 else first + 1)
    assert problem.sequence <= from_sequence <= problem.until


async def test_the_newest_part_can_be_checked_alone(cloud: Cloud) -> None:
    await a_morning(cloud)
    await tamper(cloud, lambda conn: conn.execute(sa.update(ENTRIES).where(at(3)).values(actor="x")))
    assert (await cloud.db.read(lambda conn: check(conn, (), newest=5))).intact
    await tamper(cloud, lambda conn: conn.execute(sa.update(ENTRIES).where(at(11)).values(actor="x")))
    last = len(await written(cloud))
    found = await cloud.db.read(lambda conn: check(conn, (), newest=last - 5))
    assert (found.first, found.first_bad) == (6, 11)


# -- exports


async def test_an_export_can_be_checked_alone(cloud: Cloud, clock: SetClock) -> None:
    await a_morning(cloud)
    clock.advance(86_400)
    middle_ms = int(clock.now().timestamp() * 1000)
    await a_morning(cloud)
    whole = await cloud.db.read(lambda conn: list(export(conn)))
    later = await cloud.db.read(lambda conn: list(export(conn, middle_ms)))
    assert check_export(whole).intact
    found = check_export(later)
    assert found.intact
    assert found.first > 10
    assert len(later) < len(whole)
    assert check_export(await cloud.db.read(lambda conn: list(export(conn, 0, 1)))).entries == 0


async def test_a_changed_export_is_found_and_located(cloud: Cloud) -> None:
    await a_morning(cloud)
    await anchor(cloud)
    lines = await cloud.db.read(lambda conn: list(export(conn)))
    changed = [*lines[:6], lines[6].replace("system:cloud", "person:nobody"), *lines[7:]]
    assert check_export(changed).first_bad == 7
    assert check_export([*lines[:4], *lines[5:]]).first_bad == 5
    assert check_export(lines[:-1]).problems[0].kind is Kind.TRUNCATED
    assert check_export([*lines[:-2], lines[-1]]).problems[0].kind is Kind.TRUNCATED
    other = [Anchor(0, 8, "f" * 64)]
    assert check_export(lines, other).problems[0].kind is Kind.REWRITTEN
    with pytest.raises(Invalid, match="line 3"):
        check_export([*lines[:2], "{}\n"])
