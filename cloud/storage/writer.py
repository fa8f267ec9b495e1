"""The one thread that writes: takes what queued up while the last commit ran, and commits it as one
transaction.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import sqlalchemy as sa

from cloud.core.actors import SYSTEM, Actor
from cloud.core.bus import Bus
from cloud.core.facts import Fact
from cloud.core.metrics import Metrics
from cloud.storage.tx import Tx

MAX_BATCH = 256
CONFLICT_RETRIES = 8
COMMIT_SECONDS = "hallfleet_commit_seconds"
COMMITTED_UNITS = "hallfleet_committed_units_total"
REPLAYED_BATCHES = "hallfleet_replayed_batches_total"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one unit of work: its result, or the error that undid it."""

    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work, whom to tell what became of it, and on whose behalf it is done."""

    work: Callable[[Tx], Any]
    answer: Callable[[Outcome], None]
    actor: Actor = SYSTEM


@dataclass(slots=True)
class Done:
    """One finished batch: the facts of what was committed, and every unit with its outcome."""

    facts: list[Fact] = field(default_factory=list)
    outcomes: list[tuple[Job, Outcome]] = field(default_factory=list)


class _UnitFailed(Exception):
    """A unit raised in a batch without savepoints: try the batch again, each unit in a savepoint of its
    own.
    """


class Writer:
    """Owns the writing connection. ``submit`` is safe from any thread; ``deliver`` is called from the
    writer's.
    """

    def __init__(self, engine: sa.Engine, bus: Bus[Tx], metrics: Metrics) -> None:
        self._engine = engine
        self._bus = bus
        self._metrics = metrics
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: Thread | None = None
        metrics.describe(COMMIT_SECONDS, "histogram", "Time from the start of a batch to the end of its commit")
        metrics.describe(COMMITTED_UNITS, "counter", "Units of work that were committed")
        metrics.describe(REPLAYED_BATCHES, "counter", "Batches tried again since a unit failed or met another writer")

    def start(self, deliver: Callable[[Done], None]) -> None:
        """Begin to work; ``deliver`` gets every finished batch."""
        self._thread = Thread(target=self._run, args=(deliver,), name="hallfleet-write", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a unit of work."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Finish everything that was submitted before, and end."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()

    def _run(self, deliver: Callable[[Done], None]) -> None:
        running = True
        while running:
            batch = list(self._take())
            running = None not in batch
            jobs = [job for job in batch if job is not None]
            if jobs:
                deliver(self._finish(jobs))

    def _take(self) -> Iterator[Job | None]:
        yield self._jobs.get()
        try:
            for _ in range(MAX_BATCH - 1):
                yield self._jobs.get_nowait()
        except Empty:
            return

    def _finish(self, jobs: list[Job]) -> Done:
        try:
            return self._commit_somehow(jobs)
        except Exception as error:  # noqa: BLE001 - nothing was committed, and every caller is told why
            return Done(outcomes=[(job, Outcome(error=error)) for job in jobs])

    def _commit_somehow(self, jobs: list[Job]) -> Done:
        careful = False
        for _ in range(CONFLICT_RETRIES):
            try:
                return self._commit(jobs, careful)
            except _UnitFailed:
                careful = True
            except sa.exc.DBAPIError as error:
                if not is_conflict(error):
                    raise
            self._metrics.count(REPLAYED_BATCHES)
        return self._commit(jobs, careful=True)

    def _commit(self, jobs: list[Job], careful: bool) -> Done:
        began = time.perf_counter()
        done = Done()
        with self._engine.begin() as connection:
            for job in jobs:
                tx = Tx(connection, self._bus, careful, job.actor)
                done.outcomes.append((job, _run_job(job, tx)))
                done.facts.extend(tx.facts)
        self._metrics.observe(COMMIT_SECONDS, time.perf_counter() - began)
        self._metrics.count(COMMITTED_UNITS, sum(outcome.error is None for _, outcome in done.outcomes))
        return done


def _run_job(job: Job, tx: Tx) -> Outcome:
    try:
        if not tx.careful:
            result = job.work(tx)
            tx.flush()
            return Outcome(result)
        with tx.savepoint():
            return Outcome(job.work(tx))
    except Exception as error:
        if is_conflict(error):
            raise
        if not tx.careful:
            raise _UnitFailed from error
        return Outcome(error=error)


def is_conflict(error: Exception) -> bool:
    """True when another process changed what this transaction had read (SQLSTATE 40001, 40P01).

    Code that catches errors inside a unit of work lets these pass: only a new transaction can help.
    """
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else None
    return getattr(original, "sqlstate", None) in ("40001", "40P01")
