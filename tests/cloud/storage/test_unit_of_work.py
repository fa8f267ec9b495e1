"""The promises of Database.write and Database.read, on both databases."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud.core.actors import CURRENT, SYSTEM, Actor
from cloud.core.bus import Bus
from cloud.core.clock import SystemClock
from cloud.core.errors import Conflict, Invalid, ReactionLoop
from cloud.core.facts import Fact
from cloud.core.metrics import Metrics
from cloud.storage.engine import create_engine
from cloud.storage.unit_of_work import Database, Tx
from cloud.storage.upsert import insert_missing, upsert
from cloud.storage.writer import COMMITTED_UNITS

TABLES = sa.MetaData()
COUNTERS = sa.Table(
    "counters",
    TABLES,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)


@pytest.fixture
def url(database_url: str) -> str:
    engine = create_engine(database_url)
    TABLES.create_all(engine)
    engine.dispose()
    return database_url


def fact(fact_type: str) -> Fact:
    return Fact(type=fact_type, at=SystemClock().now())


def put(name: str, value: int) -> Callable[[Tx], None]:
    return lambda tx: upsert(tx.conn, COUNTERS, [{"name": name, "value": value}], ["name"])


def value_of(name: str) -> Callable[[sa.Connection], int | None]:
    return lambda conn: conn.scalar(sa.select(COUNTERS.c.value).where(COUNTERS.c.name == name))


def increment(tx: Tx) -> int:
    """Reads, then writes: what loses updates when the transaction begins too late."""
    seen = tx.conn.scalar(sa.select(COUNTERS.c.value).where(COUNTERS.c.name == "n"))
    assert seen is not None
    tx.conn.execute(sa.update(COUNTERS).where(COUNTERS.c.name == "n").values(value=seen + 1))
    return seen + 1


async def test_no_increment_is_lost_among_many_callers(url: str) -> None:
    async with Database(url) as db:
        await db.write(put("n", 0))
        await asyncio.gather(*(db.write(increment) for _ in range(200)))
        assert await db.read(value_of("n")) == 200


async def test_no_increment_is_lost_between_two_writers_of_one_database(url: str) -> None:
    async with Database(url) as one, Database(url) as two:
        await one.write(put("n", 0))
        for _ in range(20):
            await asyncio.gather(one.write(increment), two.write(increment), one.write(increment))
        assert await two.read(value_of("n")) == 60


async def test_a_failing_unit_is_undone_alone(url: str) -> None:
    def fail(tx: Tx) -> None:
        put("bad", 1)(tx)
        raise Conflict("counter bad: not wanted")

    async with Database(url) as db:
        units = [db.write(put("a", 1)), db.write(fail), db.write(put("b", 2))]
        results = await asyncio.gather(*units, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), Conflict, type(None)]
        assert [await db.read(value_of(name)) for name in ("a", "bad", "b")] == [1, None, 2]


async def test_a_database_error_of_one_unit_does_not_reach_its_neighbours(url: str) -> None:
    def clash(tx: Tx) -> None:
        tx.conn.execute(sa.insert(COUNTERS).values(name="n", value=1))

    async with Database(url) as db:
        await db.write(put("n", 0))
        results = await asyncio.gather(
            db.write(increment), db.write(clash), db.write(increment), return_exceptions=True
        )
        assert isinstance(results[1], sa.exc.IntegrityError)
        assert await db.read(value_of("n")) == 2


async def test_units_that_wait_together_share_commits(url: str) -> None:
    metrics = Metrics()
    async with Database(url, metrics=metrics) as db:
        await asyncio.gather(*(db.write(put(f"k{number}", number)) for number in range(100)))
    assert metrics.value(COMMITTED_UNITS) == 100
    commits = next(line for line in metrics.render().splitlines() if line.startswith("hallfleet_commit_seconds_count"))
    assert int(commits.split()[1]) < 50


async def test_listeners_hear_of_facts_only_after_the_commit(url: str) -> None:
    bus: Bus[Tx] = Bus()
    heard: list[str] = []
    bus.after_commit(lambda facts: heard.extend(item.type for item in facts))

    def refuse(tx: Tx) -> None:
        tx.publish(fact("ticket.refused"))
        raise Conflict("no")

    async with Database(url, bus) as db:
        await asyncio.gather(
            db.write(lambda tx: tx.publish(fact("ticket.issued"))), db.write(refuse), return_exceptions=True
        )
    assert heard == ["ticket.issued"]


async def test_reactions_write_in_the_publishers_transaction(url: str) -> None:
    bus: Bus[Tx] = Bus()
    bus.on("ticket.*", lambda tx, _: put("reacted", 1)(tx))

    def publish_and_fail(tx: Tx) -> None:
        tx.publish(fact("ticket.issued"))
        raise Conflict("no")

    async with Database(url, bus) as db:
        with pytest.raises(Conflict):
            await db.write(publish_and_fail)
        assert await db.read(value_of("reacted")) is None
        await db.write(lambda tx: tx.publish(fact("ticket.issued")))
        assert await db.read(value_of("reacted")) == 1


async def test_facts_that_cause_themselves_end_in_an_error(url: str) -> None:
    bus: Bus[Tx] = Bus()
    bus.on("a.b", lambda tx, seen: tx.publish(seen))
    async with Database(url, bus) as db:
        with pytest.raises(ReactionLoop, match=r"a\.b"):
            await db.write(lambda tx: tx.publish(fact("a.b")))


async def test_a_savepoint_takes_back_its_facts_too(url: str) -> None:
    def inner(tx: Tx) -> None:
        with tx.savepoint():
            put("inner", 1)(tx)
            tx.publish(fact("second.done"))
            raise Conflict("no")

    def try_twice(tx: Tx) -> list[str]:
        tx.publish(fact("first.done"))
        with pytest.raises(Conflict):
            inner(tx)
        return [item.type for item in tx.facts]

    async with Database(url) as db:
        assert await db.write(try_twice) == ["first.done"]
        assert await db.read(value_of("inner")) is None


async def test_a_listener_that_raises_disturbs_nobody(url: str) -> None:
    bus: Bus[Tx] = Bus()
    reported: list[str] = []
    heard: list[int] = []

    def broken(facts: object) -> None:
        raise ValueError("broken listener")

    bus.after_commit(broken)
    bus.after_commit(lambda facts: heard.append(len(facts)))
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(str(context["exception"])))
    async with Database(url, bus) as db:
        await db.write(lambda tx: tx.publish(fact("a.b")))
        assert await db.write(lambda tx: 7) == 7
    assert (heard, reported) == ([1], ["broken listener"])


async def test_reading_cannot_write(url: str) -> None:
    async with Database(url) as db:
        with pytest.raises(sa.exc.DBAPIError):
            await db.read(lambda conn: conn.execute(sa.insert(COUNTERS).values(name="x", value=1)))


async def test_an_upsert_with_a_repeated_key_takes_the_last_row(url: str) -> None:
    rows = [{"name": "a", "value": 1}, {"name": "b", "value": 2}, {"name": "a", "value": 3}]
    async with Database(url) as db:
        await db.write(lambda tx: upsert(tx.conn, COUNTERS, rows, ["name"]))
        await db.write(lambda tx: insert_missing(tx.conn, COUNTERS, [{"name": "a", "value": 9}], ["name"]))
        assert [await db.read(value_of(name)) for name in ("a", "b")] == [3, 2]


@pytest.mark.parametrize("wrong", ["mysql://host/db", "sqlite://", "sqlite:///:memory:", "nonsense", "//secret@host"])
def test_other_databases_are_refused_without_showing_the_address(wrong: str) -> None:
    with pytest.raises(Invalid, match="expected sqlite:///file or postgresql://") as caught:
        create_engine(wrong)
    assert "secret" not in str(caught.value)


def test_sqlite_commits_reach_the_disk_before_they_are_acknowledged(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/a.db")
    with engine.connect() as connection:
        pragmas = [connection.scalar(sa.text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")]
    engine.dispose()
    assert pragmas == ["wal", 2]


class Sum:
    """Rows that are kept: read once, written once."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.value = tx.conn.scalar(sa.select(COUNTERS.c.value).where(COUNTERS.c.name == "n")) or 0
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        put("n", self.value)(self._tx)


async def test_kept_rows_are_read_once_and_written_at_the_end(url: str) -> None:
    def work(tx: Tx) -> Sum:
        for _ in range(5):
            tx.keep("sum", lambda: Sum(tx)).value += 1
        return tx.keep("sum", lambda: Sum(tx))

    async with Database(url) as db:
        assert (await db.write(work)).flushes == 1
        assert await db.read(value_of("n")) == 5


async def test_kept_rows_forget_what_a_savepoint_undid(url: str) -> None:
    def add(tx: Tx, fail: bool = False) -> None:
        tx.keep("sum", lambda: Sum(tx)).value += 1
        if fail:
            raise Conflict("no")

    def inner(tx: Tx) -> None:
        with tx.savepoint():
            add(tx, fail=True)

    def work(tx: Tx) -> None:
        add(tx)
        with pytest.raises(Conflict):
            inner(tx)
        add(tx)

    async with Database(url) as db:
        await db.write(work)
        assert await db.read(value_of("n")) == 2


async def test_a_unit_knows_on_whose_behalf_it_is_done(url: str) -> None:
    async with Database(url) as db:

        async def as_actor(actor: Actor) -> Actor:
            CURRENT.set(actor)
            return await db.write(lambda tx: tx.actor)

        people = [Actor("person", f"p{number}") for number in range(5)]
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(as_actor(person)) for person in people]
        assert [task.result() for task in asked] == people
        assert await db.write(lambda tx: tx.actor) == SYSTEM
