"""What nobody says: a gap that stays open, and clocks that are wrong. Both are told as facts of the machine.

Time is taken from the loop's clock here, since the time of day is one of the things that are watched.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Final

from cloud.core.clock import Clock
from cloud.core.facts import Fact
from cloud.core.metrics import Metrics
from cloud.ingest import gaps
from cloud.ingest.gaps import Gap
from cloud.ingest.store import StreamKey
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database

log = logging.getLogger(__name__)

LOOK_S: Final = 2.0
AHEAD_S: Final = 120.0  # further ahead of our clock is wrong
BEHIND_S: Final = 900.0  # further behind is wrong; less is what a town that is too busy can bring about
SETTLE_S: Final = 60.0  # a clock behind ours for so long: not only a message that was long under way
FRESH_S: Final = 600.0  # older observations say nothing of now
ENOUGH: Final = 3  # machines that make a majority
FACTS_MISSING: Final = "machine.facts_missing"
FACTS_COMPLETE: Final = "machine.facts_complete"
CLOCK_WRONG: Final = "machine.clock_wrong"
CLOCK_RIGHT: Final = "machine.clock_right"
SKEW: Final = "hallfleet_clock_skew_seconds"
MISSING: Final = "hallfleet_missing_facts"

HallOf = Callable[[str], str]
Ask = Callable[[str, int, tuple[int, int]], None]


class GapWatch:
    """Asks for gaps also of machines that are silent, and tells of one that was not filled for ``patience_s``."""

    def __init__(
        self, db: Database, ask: Ask, hall_of: HallOf, clock: Clock, metrics: Metrics, patience_s: float
    ) -> None:
        self._db = db
        self._ask = ask
        self._hall_of = hall_of
        self._clock = clock
        self._metrics = metrics
        self._patience_s = patience_s
        self._open: dict[StreamKey, tuple[int, float]] = {}
        metrics.describe(
            MISSING, "gauge", "Facts that have not arrived though later ones have, in the first gap of each stream"
        )

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look(asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_S)

    async def look(self, now_s: float) -> None:
        """Look once; ``now_s`` is a time that never jumps."""
        found = await self._db.read(gaps.first_gaps)
        self._metrics.gauge(MISSING, sum(gap.missing for gap in found))
        for gap in found:
            self._ask(gap.machine, gap.epoch, (gap.first, gap.last))
        overdue = [gap for gap in found if self._age(gap, now_s) >= self._patience_s and not gap.told]
        self._open = {key: since for key, since in self._open.items() if key in {(g.machine, g.epoch) for g in found}}
        closed = await self._db.read(gaps.closed_and_told)
        if overdue or closed:
            await self._db.write(partial(self._tell, overdue=overdue))

    def _age(self, gap: Gap, now_s: float) -> float:
        """For how long nothing of this gap has come."""
        first, since = self._open.get((gap.machine, gap.epoch), (0, now_s))
        if first != gap.first:
            since = now_s
        self._open[(gap.machine, gap.epoch)] = (gap.first, since)
        return now_s - since

    def _tell(self, tx: Tx, overdue: Sequence[Gap]) -> None:
        for gap in overdue:
            gaps.set_told(tx.conn, gap.machine, gap.epoch, True)
            data = {"epoch": gap.epoch, "from": gap.first, "to": gap.last, "missing": gap.missing}
            tx.publish(self._fact(FACTS_MISSING, gap.machine, data))
        for machine, epoch in gaps.closed_and_told(tx.conn):
            gaps.set_told(tx.conn, machine, epoch, False)
            if not gaps.gaps_of(tx.conn, machine):
                tx.publish(self._fact(FACTS_COMPLETE, machine, {"epoch": epoch}))

    def _fact(self, fact_type: str, machine: str, data: dict[str, int]) -> Fact:
        return Fact(fact_type, self._clock.now(), data, machine, hall=self._hall_of(machine))


@dataclass(slots=True)
class _Seen:
    skew_s: float
    at_s: float
    wrong_since_s: float | None


class ClockWatch:
    """``heard`` listens after commits; ``run`` tells when a machine's clock, or ours, is wrong.

    A fact of now that is ahead of us is proof; one behind us may have been long under way, so it must last. When most
    machines differ by the same, it is our clock: no machine is accused.
    """

    def __init__(self, db: Database, hall_of: HallOf, clock: Clock, metrics: Metrics) -> None:
        self._db = db
        self._hall_of = hall_of
        self._clock = clock
        self._metrics = metrics
        self._seen: dict[str, _Seen] = {}
        self._told: dict[str, bool] = {}
        self._ours_wrong = False
        metrics.describe(SKEW, "gauge", "How far the machines' clocks are ahead of ours, the middle one")

    def heard(self, facts: Iterable[Fact]) -> None:
        """After-commit listener."""
        self.note(facts, asyncio.get_running_loop().time())

    def note(self, facts: Iterable[Fact], now_s: float) -> None:
        """Take note of the times in ``facts``; ``now_s`` is a time that never jumps."""
        now = self._clock.now()
        for fact in facts:
            if fact.sequence and not fact.historical:
                skew_s = (fact.at - now).total_seconds()
                known = self._seen.get(fact.machine)
                since = known.wrong_since_s if known is not None and known.wrong_since_s is not None else now_s
                self._seen[fact.machine] = _Seen(skew_s, now_s, since if _is_far(skew_s) else None)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look(asyncio.get_running_loop().time())
            await asyncio.sleep(LOOK_S)

    async def look(self, now_s: float) -> None:
        """Look once."""
        self._seen = {name: seen for name, seen in self._seen.items() if now_s - seen.at_s < FRESH_S}
        middle = median(seen.skew_s for seen in self._seen.values()) if self._seen else 0.0
        self._metrics.gauge(SKEW, middle)
        ours_wrong = len(self._seen) >= ENOUGH and _is_far(middle)
        if ours_wrong and not self._ours_wrong:
            log.error(
                "clock: most machines differ from this computer by %.0f s; set the clock of this computer", middle
            )
        self._ours_wrong = ours_wrong
        if not ours_wrong:
            await self._judge(now_s)

    async def _judge(self, now_s: float) -> None:
        verdicts = {name: _is_wrong(seen, now_s) for name, seen in self._seen.items()}
        changed = {name: wrong for name, wrong in verdicts.items() if self._told.get(name) is not wrong}
        if changed:
            await self._db.write(partial(self._tell, verdicts=changed))
            self._told |= changed

    def _tell(self, tx: Tx, verdicts: dict[str, bool]) -> None:
        for machine, wrong in verdicts.items():
            data = {"skew_s": round(self._seen[machine].skew_s)}
            fact_type = CLOCK_WRONG if wrong else CLOCK_RIGHT
            tx.publish(Fact(fact_type, self._clock.now(), data, machine, hall=self._hall_of(machine)))


def _is_far(skew_s: float) -> bool:
    return skew_s > AHEAD_S or skew_s < -BEHIND_S


def _is_wrong(seen: _Seen, now_s: float) -> bool:
    if seen.wrong_since_s is None:
        return False
    return seen.skew_s > 0 or now_s - seen.wrong_since_s >= SETTLE_S
