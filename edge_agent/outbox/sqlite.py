"""The outbox of a real machine: one preallocated SQLite file, two lanes.

Rows leave in the order in which they came, and only when the cloud has said that it has them. When the room is used up
the oldest telemetry gives way, and an ``agent.dropped`` fact says which sequences will never come.
"""

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge_agent.errors import OutboxFull
from edge_agent.outbox.rules import AGENT, DROP_CHUNK, DROPPED, FLOW_LIMIT, dropped_data, encode, runs, size_of
from edge_agent.ports import Depth, Lane, Row
from edge_agent.storage.file import DurableFile, free_bytes

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('epoch', 0), ('last', 0), ('acked', 0), ('business_bytes', 0), ('room', 0);
CREATE TABLE IF NOT EXISTS origin (slot TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS row (
    sequence INTEGER PRIMARY KEY,
    telemetry INTEGER NOT NULL,
    slot TEXT NOT NULL,
    type TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    size INTEGER NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS row_telemetry ON row (sequence) WHERE telemetry = 1;
CREATE INDEX IF NOT EXISTS row_dropped ON row (sequence) WHERE type = 'agent.dropped';
"""
RESERVE_BYTES = 256 * 1024  # stays free, so that deleting and the facts about drops always find room
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS = "sequence, telemetry, slot, type, at_us, data"


class SqliteOutbox:
    """See ``ports.Outbox``. ``await open(now)`` first; ``close`` at the end."""

    def __init__(self, path: Path, *, room_mib: int) -> None:
        self._file = DurableFile(path, SCHEMA, room_mib=room_mib)
        self._epoch_note = path.with_name(f"{path.stem}.epoch")
        self._epoch = 0
        self._last = 0
        self._grew = asyncio.Condition()

    @property
    def epoch(self) -> int:
        return self._epoch

    async def open(self, now: datetime) -> bool:
        """Check the file, or begin a new epoch (then True). Raises StorageError."""
        is_new = await self._file.open(now)
        self._epoch, self._last = await self._file.run(lambda connection: _begin(connection, self._next_epoch(now)))
        self._epoch_note.write_text(f"{self._epoch}\n")
        return is_new

    async def close(self) -> None:
        """Finish what was asked and close the file."""
        await self._file.close()

    async def append(
        self,
        slot: str,
        fact_type: str,
        data: dict[str, Any],
        at: datetime,
        lane: Lane = Lane.BUSINESS,
        *,
        origin: str = "",
    ) -> int:
        text = encode(data)
        sequence = await self._file.run(lambda connection: _append(connection, slot, fact_type, text, at, lane, origin))
        async with self._grew:
            self._last = max(self._last, sequence)
            self._grew.notify_all()
        return sequence

    async def last_origin(self, slot: str) -> str:
        def read(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT name FROM origin WHERE slot = ?", (slot,)).fetchone()
            return "" if row is None else str(row[0])

        return await self._file.run(read)

    async def peek(self, after: int, limit: int) -> list[Row]:
        statement = f"SELECT {_COLUMNS} FROM row WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return await self._file.run(
            lambda connection: [_row(found) for found in connection.execute(statement, (after, limit))]
        )

    async def dropped(self, first: int, last: int) -> list[Row]:
        statement = f"SELECT {_COLUMNS} FROM row WHERE type = '{DROPPED}' ORDER BY sequence"
        rows = await self._file.run(lambda connection: [_row(found) for found in connection.execute(statement)])
        return [row for row in rows if row.data["from_sequence"] <= last and row.data["to_sequence"] >= first]

    async def acknowledged(self) -> int:
        return await self._file.run(lambda connection: _meta(connection, "acked"))

    async def ack(self, epoch: int, sequence: int) -> None:
        if epoch == self._epoch:
            await self._file.run(lambda connection: _ack(connection, sequence))

    async def depth(self) -> Depth:
        return await self._file.run(_depth)

    async def accepts_flows(self) -> bool:
        return (await self.depth()).fill < FLOW_LIMIT

    async def wait_beyond(self, sequence: int) -> None:
        async with self._grew:
            await self._grew.wait_for(lambda: self._last > sequence)

    def _next_epoch(self, now: datetime) -> int:
        # The note survives a bad file, the time of day a lost disk: either way the epoch rises.
        try:
            noted = int(self._epoch_note.read_text())
        except (FileNotFoundError, ValueError):
            noted = 0
        return max(noted + 1, int(now.timestamp()))


def read_depth(path: Path) -> Depth:
    """The depth of a file, also while the agent that owns it runs. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return _depth(connection)
    finally:
        connection.close()


def _begin(connection: sqlite3.Connection, next_epoch: int) -> tuple[int, int]:
    if _meta(connection, "epoch") == 0:
        _set(connection, "epoch", next_epoch)
        _set(connection, "room", free_bytes(connection))
    return _meta(connection, "epoch"), _meta(connection, "last")


def _append(
    connection: sqlite3.Connection, slot: str, fact_type: str, text: str, at: datetime, lane: Lane, origin: str
) -> int:
    size = size_of(text)
    _make_room(connection, size, at)
    if origin:
        connection.execute("INSERT OR REPLACE INTO origin VALUES (?, ?)", (slot, origin))
    return _insert(connection, slot, fact_type, text, at, lane)


def _insert(connection: sqlite3.Connection, slot: str, fact_type: str, text: str, at: datetime, lane: Lane) -> int:
    sequence = _meta(connection, "last") + 1
    at_us = (at - _EPOCH_START) // timedelta(microseconds=1)
    size = size_of(text)
    row = (sequence, lane is Lane.TELEMETRY, slot, fact_type, at_us, size, text)
    connection.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    _set(connection, "last", sequence)
    if lane is Lane.BUSINESS:
        _add(connection, "business_bytes", size)
    return sequence


def _make_room(connection: sqlite3.Connection, size: int, at: datetime) -> None:
    while free_bytes(connection) < size + RESERVE_BYTES:
        oldest = connection.execute(
            "SELECT sequence FROM row WHERE telemetry = 1 ORDER BY sequence LIMIT ?", (DROP_CHUNK,)
        ).fetchall()
        if not oldest:
            raise OutboxFull(
                f"outbox: expected room for {size} bytes, business rows fill it; restore the link to the cloud"
            )
        sequences = [sequence for (sequence,) in oldest]
        connection.executemany("DELETE FROM row WHERE sequence = ?", oldest)
        for first, last in runs(sequences):
            _insert(connection, AGENT, DROPPED, encode(dropped_data(first, last)), at, Lane.BUSINESS)


def _ack(connection: sqlite3.Connection, sequence: int) -> None:
    if not _meta(connection, "acked") < sequence <= _meta(connection, "last"):
        return
    freed = connection.execute(
        "SELECT coalesce(sum(size), 0) FROM row WHERE sequence <= ? AND telemetry = 0", (sequence,)
    ).fetchone()[0]
    connection.execute("DELETE FROM row WHERE sequence <= ?", (sequence,))
    _add(connection, "business_bytes", -freed)
    _set(connection, "acked", sequence)


def _depth(connection: sqlite3.Connection) -> Depth:
    business, telemetry, oldest = connection.execute(
        "SELECT coalesce(sum(telemetry = 0), 0), coalesce(sum(telemetry = 1), 0), min(at_us) FROM row"
    ).fetchone()
    return Depth(
        epoch=_meta(connection, "epoch"),
        last_sequence=_meta(connection, "last"),
        business=business,
        telemetry=telemetry,
        oldest_at=None if oldest is None else _time(oldest),
        fill=_fill(connection),
    )


def _fill(connection: sqlite3.Connection) -> float:
    room = max(1, _meta(connection, "room") - RESERVE_BYTES)
    return min(1.0, _meta(connection, "business_bytes") / room)


def _row(found: tuple[Any, ...]) -> Row:
    sequence, telemetry, slot, fact_type, at_us, data = found
    lane = Lane.TELEMETRY if telemetry else Lane.BUSINESS
    return Row(sequence, lane, slot, fact_type, _time(at_us), json.loads(data))


def _time(at_us: int) -> datetime:
    return _EPOCH_START + timedelta(microseconds=at_us)


def _meta(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])


def _set(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))


def _add(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE meta SET value = value + ? WHERE name = ?", (value, name))
