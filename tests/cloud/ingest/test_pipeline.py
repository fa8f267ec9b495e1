"""The last stages of ingest on both databases: once in effect, in order, and never stopped by one bad fact."""

import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from cloud.core.bus import Bus
from cloud.core.clock import SetClock
from cloud.core.errors import Conflict
from cloud.core.facts import Fact
from cloud.fleet.model import Register
from cloud.ingest import quarantine
from cloud.ingest.pipeline import Report, ingest
from cloud.ingest.quarantine import KEPT_BYTES, QUARANTINE
from cloud.ingest.reading import Item, read_message
from cloud.ingest.store import EVENTS, load_streams, read_ledger
from cloud.storage import schema
from cloud.storage.engine import create_engine
from cloud.storage.unit_of_work import Database, Tx
from device_profiles.catalog import load_catalog
from device_profiles.messages.topics import Up
from tests.builders.facts import AT, Sender

REGISTER = Register(load_catalog(), ["demo-hall"])


class House:
    """A database, what its reactions heard, and a short way to take messages in."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = SetClock(AT)
        self.heard: list[Fact] = []
        db.bus.on("*", lambda tx, fact: self.heard.append(fact) if not tx.careful else None)

    async def take(self, *messages: tuple[str, bytes]) -> Report:
        items: list[Item] = [item for message in messages for item in read_message(*message, REGISTER)]
        return await self.db.write(partial(ingest, items=items, now=self.clock.now()))

    async def rows(self, table: sa.Table) -> Sequence[sa.Row[Any]]:
        return await self.db.read(lambda conn: conn.execute(sa.select(table)).all())

    async def stored(self) -> list[tuple[int, int]]:
        return sorted((row.epoch, row.sequence) for row in await self.rows(EVENTS))

    async def ledger(self, machine: str) -> list[tuple[int, int, int, int]]:
        rows = await self.db.read(lambda conn: read_ledger(conn, machine))
        return [(row.epoch, row.received, row.dropped, row.quarantined) for row in rows]


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    engine = create_engine(database_url)
    schema.upgrade(engine)
    engine.dispose()
    async with Database(database_url, Bus[Tx]()) as db:
        yield House(db)


async def test_a_fact_that_comes_twice_counts_once(house: House) -> None:
    message = Sender("kiosk-1").event("ticket.issued")
    await house.take(message, message)
    report = await house.take(message)
    assert (await house.stored(), [fact.sequence for fact in house.heard]) == ([(1, 1)], [1])
    assert (report.accepted, report.duplicates) == (0, 1)
    assert report.streams["kiosk-1", 1].contiguous == 1  # so it is acknowledged again


async def test_a_gap_is_known_and_closes(house: House) -> None:
    kiosk = Sender("kiosk-1")
    messages = [kiosk.event("ticket.issued") for _ in range(5)]
    report = await house.take(messages[0], messages[3], messages[4])
    assert (report.streams["kiosk-1", 1].contiguous, report.streams["kiosk-1", 1].gap()) == (1, (2, 3))
    report = await house.take(messages[1], messages[2])
    assert (report.streams["kiosk-1", 1].contiguous, report.streams["kiosk-1", 1].gap()) == (5, None)


async def test_a_new_epoch_begins_at_one(house: House) -> None:
    await house.take(Sender("kiosk-1").event("ticket.issued"))
    report = await house.take(Sender("kiosk-1", epoch=2).event("ticket.issued"))
    assert report.streams["kiosk-1", 2].contiguous == 1
    assert await house.stored() == [(1, 1), (2, 1)]


async def test_what_a_machine_dropped_closes_the_gap_and_is_counted(house: House) -> None:
    kiosk = Sender("kiosk-1")
    kiosk.sequence = 4
    dropped = {"lane": "telemetry", "from_sequence": 1, "to_sequence": 4, "reason": "full"}
    report = await house.take(kiosk.event("agent.dropped", dropped))
    assert report.streams["kiosk-1", 1].contiguous == 5
    assert await house.ledger("kiosk-1") == [(1, 1, 4, 0)]


@pytest.mark.parametrize(("first", "last"), [(0, 2), (2, 1), (1, 3), (1, 10**17)])
async def test_a_machine_cannot_drop_what_it_has_not_sent_yet(house: House, first: int, last: int) -> None:
    kiosk = Sender("kiosk-1")
    kiosk.sequence = 2
    dropped = {"lane": "telemetry", "from_sequence": first, "to_sequence": last, "reason": "full"}
    report = await house.take(kiosk.event("agent.dropped", dropped))
    assert (report.streams["kiosk-1", 1].contiguous, report.quarantined) == (0, 1)


async def test_a_reaction_that_raises_puts_its_fact_aside_and_nothing_else(house: House) -> None:
    def refuse(tx: Tx, fact: Fact) -> None:
        if fact.sequence == 2:
            tx.publish(Fact("never.heard", AT))
            raise Conflict("ticket: taken already")

    house.db.bus.on("ticket.issued", refuse)
    told: list[str] = []
    house.db.bus.after_commit(lambda facts: told.extend(fact.type for fact in facts))
    kiosk = Sender("kiosk-1")
    report = await house.take(*(kiosk.event("ticket.issued") for _ in range(3)))
    assert (report.streams["kiosk-1", 1].contiguous, report.accepted, report.quarantined) == (3, 3, 1)
    assert await house.stored() == [(1, 1), (1, 2), (1, 3)]
    (aside,) = await house.rows(QUARANTINE)
    assert (aside.machine, aside.sequence, aside.reason) == ("kiosk-1", 2, "Conflict: ticket: taken already")
    assert told == ["ticket.issued", "ticket.issued"]
    assert await house.ledger("kiosk-1") == [(1, 3, 0, 1)]


@pytest.mark.parametrize("data", ['{"a": NaN}', '{"a": 1e999}', '{"a": "\\u0000"}'])
async def test_values_that_a_store_cannot_keep_are_put_aside(house: House, data: str) -> None:
    kiosk = Sender("kiosk-1")
    topic, body = kiosk.event("ticket.issued", {"mark": 1})
    good = kiosk.event("ticket.issued")
    report = await house.take((topic, body.replace(b'{"mark":1}', data.encode())), good)
    assert (report.streams["kiosk-1", 1].contiguous, report.quarantined) == (2, 1)
    assert await house.stored() == [(1, 2)]


async def test_messages_that_are_not_allowed_are_counted_and_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quarantine, "KEPT_ROWS", 3)
    topic = Sender("kiosk-1").topic
    await house.take(*((topic(Up.EVENT), bytes([65 + number]) * 9000) for number in range(5)))
    await house.take(("\0bad/\ud800", b""))
    rows = await house.rows(QUARANTINE)
    assert len(rows) == 3
    assert (rows[0].size, rows[0].payload) == (9000, b"D" * KEPT_BYTES)


async def test_historical_facts_say_so(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await house.take(kiosk.batch(kiosk.envelope("ticket.issued").as_historical(), kiosk.envelope("ticket.issued")))
    assert [fact.historical for fact in house.heard] == [True, False]
    assert [row.historical for row in await house.rows(EVENTS)] == [True, False]


async def test_telemetry_is_numbered_but_not_kept_here(house: House) -> None:
    report = await house.take(Sender("kiosk-1").telemetry({"at_ms": 1, "slot": "printer", "metrics": {}}))
    assert report.streams["kiosk-1", 1].contiguous == 1
    assert (await house.stored(), [fact.type for fact in house.heard]) == ([], ["agent.sampled"])


async def test_facts_and_announcements_are_applied_in_the_order_of_arrival(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await house.take(kiosk.event("ticket.issued"), kiosk.presence(), kiosk.event("session.started"))
    assert [fact.type for fact in house.heard] == ["ticket.issued", "machine.announced", "session.started"]


async def test_a_machine_that_comes_back_is_told_how_far_we_are(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await house.take(kiosk.event("ticket.issued"))
    report = await house.take(kiosk.presence())
    assert report.streams["kiosk-1", 1].contiguous == 1


async def test_streams_are_read_again_after_a_restart(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await house.take(kiosk.event("ticket.issued", sequence=1), kiosk.event("ticket.issued", sequence=4))
    streams = await house.db.read(lambda conn: load_streams(conn, ["kiosk-1"]))
    assert (streams["kiosk-1", 1].contiguous, streams["kiosk-1", 1].ahead) == (1, [(4, 4)])


async def test_nothing_of_a_payload_reaches_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    def fail(tx: Tx, fact: Fact) -> None:
        raise KeyError(fact.data["name"])

    caplog.set_level(logging.DEBUG)
    house.db.bus.on("ticket.issued", fail)
    await house.take(Sender("kiosk-1").event("ticket.issued", {"name": "000000199001011234"}))
    (aside,) = await house.rows(QUARANTINE)
    assert "000000199001011234" not in caplog.text + aside.reason
    assert "see the log" in aside.reason
    assert "KeyError" in caplog.text
    assert "in fail" in caplog.text  # the place, so that the log is of use
