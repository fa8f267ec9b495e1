"""What the outbox on disk does to its tables, each in the transaction of the caller."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

from edge_agent.errors import OutboxFull
from edge_agent.outbox.rules import (
    AGENT,
    DROP_CHUNK,
    DROPPED,
    FREED,
    FULL,
    GIVE_UP_CHUNK,
    dropped_data,
    encode,
    freed_data,
    runs,
    size_of,
)
from edge_agent.ports import Depth, Lane, Row
from edge_agent.storage.file import free_bytes

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('epoch', 0), ('last', 0), ('acked', 0), ('business_bytes', 0), ('room', 0),
    ('dropped', 0);
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
ACK_ROWS = 512
ACK_BYTES = 512 * 1024
RESERVE_BYTES = 256 * 1024  # stays free, so that deleting and the facts about drops always find room
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = "sequence, telemetry, slot, type, at_us, data"


def begin(connection: sqlite3.Connection, next_epoch: int) -> tuple[int, int]:
    """Begin an epoch in a new file; the epoch and the last sequence."""
    if meta(connection, "epoch") == 0:
        _set(connection, "epoch", next_epoch)
        _set(connection, "room", free_bytes(connection))
    return meta(connection, "epoch"), meta(connection, "last")


def append(
    connection: sqlite3.Connection, slot: str, fact_type: str, text: str, at: datetime, lane: Lane, origin: str
) -> int:
    """Append a row, with room made for it. Raises OutboxFull."""
    size = size_of(text)
    _make_room(connection, size, at)
    if origin:
        connection.execute("INSERT OR REPLACE INTO origin VALUES (?, ?)", (slot, origin))
    return _insert(connection, slot, fact_type, text, at, lane)


def _insert(connection: sqlite3.Connection, slot: str, fact_type: str, text: str, at: datetime, lane: Lane) -> int:
    sequence = meta(connection, "last") + 1
    size = size_of(text)
    row = (sequence, lane is Lane.TELEMETRY, slot, fact_type, microseconds(at), size, text)
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
        _drop(connection, [sequence for (sequence,) in oldest], FULL, at)


def give_up(connection: sqlite3.Connection, through: int, keep: int, reason: str, at: datetime) -> tuple[int, int]:
    """Give telemetry up, at most GIVE_UP_CHUNK rows; how many went, and the last sequence after it."""
    waiting = "SELECT sequence FROM row WHERE telemetry = 1 ORDER BY sequence DESC LIMIT -1 OFFSET ?"
    older = [sequence for (sequence,) in connection.execute(waiting, (keep,)) if sequence <= through]
    found = older[::-1][:GIVE_UP_CHUNK]
    _drop(connection, found, reason, at)
    return len(found), meta(connection, "last")


def _drop(connection: sqlite3.Connection, sequences: list[int], reason: str, at: datetime) -> None:
    connection.executemany("DELETE FROM row WHERE sequence = ?", [(sequence,) for sequence in sequences])
    _add(connection, "dropped", len(sequences))
    for first, last in runs(sequences):
        _insert(connection, AGENT, DROPPED, encode(dropped_data(first, last, reason)), at, Lane.BUSINESS)


def freed_row(connection: sqlite3.Connection, at: datetime) -> Row:
    """The row that says that everything acknowledged is here no more; appended when there is none."""
    data = encode(freed_data(meta(connection, "acked")))
    statement = f"SELECT {COLUMNS} FROM row WHERE type = '{FREED}' AND data = ?"
    found = connection.execute(statement, (data,)).fetchone()
    if found is None:
        _insert(connection, AGENT, FREED, data, at, Lane.BUSINESS)
        found = connection.execute(statement, (data,)).fetchone()
    return row_of(found)


def ack(connection: sqlite3.Connection, sequence: int) -> bool:
    """Free what comes first up to ``sequence``; whether more is left. A portion keeps the write-ahead log small."""
    if not meta(connection, "acked") < sequence <= meta(connection, "last"):
        return False
    freed = through = business = 0
    portion = "SELECT sequence, size, telemetry FROM row WHERE sequence <= ? ORDER BY sequence LIMIT ?"
    found = connection.execute(portion, (sequence, ACK_ROWS)).fetchall()
    for through, size, telemetry in found:  # noqa: B007 - the last one is wanted
        freed += size
        business += 0 if telemetry else size
        if freed >= ACK_BYTES:
            break
    else:
        through = sequence if len(found) < ACK_ROWS else through
    connection.execute("DELETE FROM row WHERE sequence <= ?", (through,))
    _add(connection, "business_bytes", -business)
    _set(connection, "acked", through)
    return through < sequence


def depth_of(connection: sqlite3.Connection) -> Depth:
    """How full it is."""
    business, telemetry, oldest = connection.execute(
        "SELECT coalesce(sum(telemetry = 0), 0), coalesce(sum(telemetry = 1), 0), min(at_us) FROM row"
    ).fetchone()
    return Depth(
        epoch=meta(connection, "epoch"),
        last_sequence=meta(connection, "last"),
        business=business,
        telemetry=telemetry,
        oldest_at=None if oldest is None else _time(oldest),
        fill=_fill(connection),
        dropped=_count(connection, "dropped"),
    )


def _fill(connection: sqlite3.Connection) -> float:
    room = max(1, meta(connection, "room") - RESERVE_BYTES)
    return min(1.0, meta(connection, "business_bytes") / room)


def row_of(found: tuple[Any, ...]) -> Row:
    """A row as selected by COLUMNS."""
    sequence, telemetry, slot, fact_type, at_us, data = found
    lane = Lane.TELEMETRY if telemetry else Lane.BUSINESS
    return Row(sequence, lane, slot, fact_type, _time(at_us), json.loads(data))


def microseconds(at: datetime) -> int:
    """A time as stored."""
    return (at - _EPOCH_START) // timedelta(microseconds=1)


def _time(at_us: int) -> datetime:
    return _EPOCH_START + timedelta(microseconds=at_us)


def meta(connection: sqlite3.Connection, name: str) -> int:
    """One of the numbers in ``meta``."""
    return int(connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])


def _count(connection: sqlite3.Connection, name: str) -> int:
    # A file of an older agent, opened only for reading, does not know every number.
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return 0 if found is None else int(found[0])


def _set(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))


def _add(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE meta SET value = value + ? WHERE name = ?", (value, name))
