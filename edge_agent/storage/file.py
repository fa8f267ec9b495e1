"""One SQLite file and the one thread that works on it: WAL, synchronous=FULL, group commit."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from edge_agent.errors import StorageError
from edge_agent.storage.layout import PAGE_BYTES, close_file, open_file

T = TypeVar("T")
GROUP = 128
"""Most pieces of work in one commit; what queued up while the last commit ran goes into the next."""


@dataclass(slots=True)
class _Work(Generic[T]):
    """Something to do in a transaction, and who waits for it. ``do`` may run twice, so it keeps no state outside."""

    do: Callable[[sqlite3.Connection], T]
    future: asyncio.Future[T]
    result: T | None = None
    error: BaseException | None = None


class DurableFile:
    """``run`` returns when its work is on the disk. Close it, or its thread stays."""

    def __init__(self, path: Path, schema: str, *, room_mib: int) -> None:
        self.path = path
        self._schema = schema
        self._room_bytes = room_mib << 20
        self._inbox: queue.SimpleQueue[_Work[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop

    async def open(self, now: datetime) -> bool:
        """Open or make the file; True when it is new (none was there, or a bad one). Raises StorageError."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[bool] = self._loop.create_future()
        self._thread = threading.Thread(target=self._serve, args=(opened, now), name=self.path.stem)
        self._thread.start()
        return await opened

    async def run(self, do: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``do`` in a transaction; its changes are durable when this returns, and undone when it raises."""
        if self._thread is None:
            raise StorageError(f"{self.path}: expected an open file, it is closed")
        work: _Work[T] = _Work(do, self._loop.create_future())
        self._inbox.put(work)
        return await work.future

    async def close(self) -> None:
        """Finish what was asked and close the file."""
        if (thread := self._thread) is not None:
            self._thread = None
            self._inbox.put(None)
            await asyncio.to_thread(thread.join)

    def _serve(self, opened: "asyncio.Future[bool]", now: datetime) -> None:
        try:
            connection, is_new = open_file(self.path, self._schema, self._room_bytes, now)
        except StorageError as error:
            self._tell(opened, None, error)
            return
        self._tell(opened, is_new, None)
        while batch := self._next_batch():
            self._commit(connection, batch)
            for work in batch:
                self._tell(work.future, work.result, work.error)
        close_file(connection, self.path)

    def _next_batch(self) -> list[_Work[Any]]:
        """What waits, at most GROUP pieces; empty when the file is to be closed."""
        batch: list[_Work[Any]] = []
        work = self._inbox.get()
        while work is not None:
            batch.append(work)
            if len(batch) == GROUP or self._inbox.empty():
                return batch
            work = self._inbox.get()
        if batch:
            self._inbox.put(None)  # first this batch, then the end
        return batch

    def _commit(self, connection: sqlite3.Connection, batch: list[_Work[Any]]) -> None:
        try:
            _transact(connection, batch)
        except Exception as error:  # noqa: BLE001 - handed to the one who asked, see below
            if len(batch) == 1:
                batch[0].error = _as_agent_error(self.path, error)
                return
            # One piece must not spoil the others: each gets a transaction of its own.
            for work in batch:
                self._commit(connection, [work])

    def _tell(self, future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
        def settle() -> None:
            if future.done():  # the caller was cancelled; what was written stays
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._loop.call_soon_threadsafe(settle)


def free_bytes(connection: sqlite3.Connection) -> int:
    """Room left in the file."""
    return int(connection.execute("PRAGMA freelist_count").fetchone()[0]) * PAGE_BYTES


def _transact(connection: sqlite3.Connection, batch: list[_Work[Any]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for work in batch:
            work.result = work.do(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _as_agent_error(path: Path, error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error):
        return StorageError(f"{path}: expected the write to succeed, got: {error}; check the disk")
    return error
