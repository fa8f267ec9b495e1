"""Once a day what is older than its class may be is forgotten, in small portions between other work.

The clock of a computer can be wrong by years, and what was forgotten does not come back: after a step that no day
explains, the first round only takes note of the new time, and forgets nothing before a day has passed by it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import sqlalchemy as sa

from cloud.core.clock import Clock, to_ms
from cloud.core.metrics import Metrics
from cloud.storage.metadata import Big, metadata
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database
from cloud.storage.upsert import upsert

log = logging.getLogger(__name__)

DAY_MS: Final = 86_400_000
LONGEST_PAUSE_MS: Final = 8 * DAY_MS  # a cloud that was off for a holiday
LOOK_S: Final = 600.0
PORTION: Final = 1000
FORGOTTEN: Final = "hallfleet_forgotten_total"

RETENTION = sa.Table(
    "retention",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("ran_ms", Big, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A class of rows that may be ``days`` old (0: any age). ``forget(before_ms)`` ends a portion and returns how many
    rows that were; 0 when nothing is left.
    """

    name: str
    days: int
    forget: Callable[[int], Awaitable[int]]


class Retention:
    """``run`` looks at the clock for ever."""

    def __init__(self, db: Database, rules: Sequence[Rule], clock: Clock, metrics: Metrics) -> None:
        self._db = db
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        metrics.describe(FORGOTTEN, "counter", "Rows forgotten since they were older than their class may be")

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> int:
        """Do what is due; returns how many rows were forgotten."""
        now_ms = to_ms(self._clock.now())
        ran = await self._db.read(_ran)
        total = 0
        for rule in self._rules:
            since = now_ms - ran.get(rule.name, -1) if rule.name in ran else None
            if since is not None and -DAY_MS <= since < DAY_MS:
                continue
            if since is not None and DAY_MS <= since <= LONGEST_PAUSE_MS and rule.days:
                total += await self._forget(rule, now_ms - rule.days * DAY_MS)
            elif since is not None and rule.days:
                log.warning("retention: the clock moved %.0f days since the last round", since / DAY_MS)
            await self._db.write(partial(_note, name=rule.name, now_ms=now_ms))
        return total

    async def _forget(self, rule: Rule, before_ms: int) -> int:
        total = 0
        while went := await rule.forget(before_ms):
            total += went
        if total:
            log.info("retention: %d rows of class %s were too old and are gone", total, rule.name)
            self._metrics.count(FORGOTTEN, total, kind=rule.name)
        return total


def _ran(connection: sa.Connection) -> dict[str, int]:
    return {row.name: row.ran_ms for row in connection.execute(sa.select(RETENTION))}


def _note(tx: Tx, name: str, now_ms: int) -> None:
    upsert(tx.conn, RETENTION, [{"name": name, "ran_ms": now_ms}], ["name"])
