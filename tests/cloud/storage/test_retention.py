"""What is too old goes once a day; a clock that jumps makes nothing old."""

from collections.abc import AsyncIterator

import pytest

from cloud.core.clock import SetClock
from cloud.core.metrics import Metrics
from cloud.storage import schema
from cloud.storage.engine import create_engine
from cloud.storage.retention import DAY_MS, Retention, Rule
from cloud.storage.unit_of_work import Database
from tests.builders.facts import AT

DAY_S = 86_400.0


class Shelf:
    """Rows with their ages, and the retention that ends them in portions of two."""

    def __init__(self, db: Database) -> None:
        self.clock = SetClock(AT)
        self.rows = [round(AT.timestamp() * 1000) + days * DAY_MS for days in (-20, -15, -12, -3, 0)]
        self.retention = Retention(db, [Rule("rows", 10, self._forget)], self.clock, Metrics())

    async def _forget(self, before_ms: int) -> int:
        gone = [row for row in self.rows if row < before_ms][:2]
        self.rows = [row for row in self.rows if row not in gone]
        return len(gone)

    async def left(self, after_days: float) -> int:
        self.clock.advance(after_days * DAY_S)
        await self.retention.look()
        return len(self.rows)


@pytest.fixture
async def shelf(database_url: str) -> AsyncIterator[Shelf]:
    engine = create_engine(database_url)
    schema.upgrade(engine)
    engine.dispose()
    async with Database(database_url) as db:
        yield Shelf(db)


async def test_the_first_look_only_takes_note_and_a_day_later_what_is_old_goes(shelf: Shelf) -> None:
    assert [await shelf.left(days) for days in (0, 0.9, 0.2)] == [5, 5, 2]


async def test_each_day_takes_what_became_old(shelf: Shelf) -> None:
    assert [await shelf.left(days) for days in (0, 1, 5, 0.5, 1)] == [5, 2, 2, 2, 1]


async def test_a_jump_of_a_year_forward_and_back_forgets_nothing(shelf: Shelf) -> None:
    assert [await shelf.left(days) for days in (0, 365, 0.5, -365.5, 0.5)] == [5, 5, 5, 5, 5]
    assert await shelf.left(0.6) == 2  # a day of the right time has passed


async def test_a_class_without_an_end_stays(database_url: str) -> None:
    engine = create_engine(database_url)
    schema.upgrade(engine)
    engine.dispose()

    async def forget(before_ms: int) -> int:
        raise AssertionError("nothing is old")

    async with Database(database_url) as db:
        clock = SetClock(AT)
        retention = Retention(db, [Rule("rows", 0, forget)], clock, Metrics())
        for _ in range(3):
            clock.advance(DAY_S)
            assert await retention.look() == 0
