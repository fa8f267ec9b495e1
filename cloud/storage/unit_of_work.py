"""Units of work: ``Database.write(fn)`` in one writer thread with group commit, ``Database.read(fn)``
beside it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy as sa

from cloud.core.actors import CURRENT
from cloud.core.bus import Bus
from cloud.core.errors import Unavailable
from cloud.core.metrics import Metrics
from cloud.storage.engine import create_engine
from cloud.storage.tx import Tx
from cloud.storage.writer import Done, Job, Outcome, Writer

__all__ = ["Database", "Tx"]

T = TypeVar("T")
READERS = 4


class Database:
    """The store of one process. ``async with Database(url, bus) as db`` starts and ends its threads."""

    def __init__(self, url: str, bus: Bus[Tx] | None = None, metrics: Metrics | None = None) -> None:
        self.url = url
        self.bus: Bus[Tx] = bus if bus is not None else Bus()
        self.write_engine = create_engine(url)
        self._read_engine = create_engine(url, read_only=True, readers=READERS)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="hallfleet-read")
        self._writer = Writer(self.write_engine, self.bus, metrics or Metrics())
        self._loop: asyncio.AbstractEventLoop | None = None

    async def write(self, work: Callable[[Tx], T]) -> T:
        """Run ``work(tx)`` in a transaction and return its result after the commit.

        Units that wait together share one commit; one that raises is undone alone and its error is raised
        here. ``work`` may run more than once (after its neighbour failed), so it must not change anything
        but through ``tx``. Cancelling the caller does not undo the work.
        """
        future: asyncio.Future[T] = self._running_loop().create_future()
        self._writer.submit(Job(work, partial(_hand_over, future), CURRENT.get()))
        return await future

    async def read(self, query: Callable[[sa.Connection], T]) -> T:
        """Run ``query(connection)`` on a consistent view, in a reader thread; it sees every finished
        write.
        """
        return await self._running_loop().run_in_executor(self._readers, self._query, query)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._writer.start(self._tell)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._running_loop().run_in_executor(None, self._close)
        self._loop = None

    def dispose(self) -> None:
        """Let go of a database that was never opened, or is closed."""
        self._readers.shutdown()
        self.write_engine.dispose()
        self._read_engine.dispose()

    def _close(self) -> None:
        self._writer.stop()
        self.dispose()

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise Unavailable("database: not open; use it inside `async with`")
        return self._loop

    def _query(self, query: Callable[[sa.Connection], T]) -> T:
        with self._read_engine.connect() as connection:
            return query(connection)

    def _tell(self, done: Done) -> None:
        """Called by the writer's thread: one wake-up of the loop for a whole batch."""
        self._running_loop().call_soon_threadsafe(self._deliver, done)

    def _deliver(self, done: Done) -> None:
        if done.facts:
            for listener in self.bus.listeners:
                # Each on its own: what one raises reaches the loop's exception handler and nobody else.
                self._running_loop().call_soon(listener, done.facts)
        for job, outcome in done.outcomes:
            job.answer(outcome)


def _hand_over(future: asyncio.Future[Any], outcome: Outcome) -> None:
    if future.done():
        return  # the caller was cancelled meanwhile
    if outcome.error is not None:
        future.set_exception(outcome.error)
    else:
        future.set_result(outcome.result)
