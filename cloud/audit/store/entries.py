"""Statements on the record."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from cloud.audit.model import Entry, Head
from cloud.audit.states.chain import canonical
from cloud.audit.store.tables import ENTRIES, HEAD
from cloud.storage.upsert import upsert

CHUNK = 2_000
_READ_HEAD = sa.select(HEAD.c.sequence, HEAD.c.hash).where(HEAD.c.id == 1)
_INSERT = sa.insert(ENTRIES)
_INSERT_SQLITE = str(_INSERT.compile(dialect=sqlite.dialect()))
_EXACT = ("hall", "machine", "slot", "subject", "actor")


def read_head(conn: sa.Connection) -> Head:
    """Where the chain ends."""
    row = conn.execute(_READ_HEAD).first()
    return Head() if row is None else Head(row.sequence, row.hash)


def append(conn: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add entries behind the head, as ``states.chained`` made them.

    The head is written first: where two processes append at once, the later one meets a conflict and tries again.
    """
    last = rows[-1]
    upsert(conn, HEAD, [{"id": 1, "sequence": last["sequence"], "hash": last["hash"]}], ["id"])
    if conn.dialect.name == "sqlite":
        conn.exec_driver_sql(_INSERT_SQLITE, [tuple(row.values()) for row in rows])  # half the time of the way below
    else:
        conn.execute(_INSERT, rows)


def walk(conn: sa.Connection, first: int = 0, until: int | None = None) -> Iterator[Entry]:
    """Entries by sequence, read in portions."""
    while True:
        query = sa.select(ENTRIES).where(ENTRIES.c.sequence >= first).order_by(ENTRIES.c.sequence).limit(CHUNK)
        rows = conn.execute(query if until is None else query.where(ENTRIES.c.sequence <= until)).all()
        yield from map(_entry, rows)
        if len(rows) < CHUNK:
            return
        first = rows[-1].sequence + 1


def walk_all(conn: sa.Connection) -> Iterator[Entry]:
    """Every entry there is, also one with a sequence that the cloud never gives."""
    lowest = conn.scalar(sa.select(sa.func.min(ENTRIES.c.sequence)))
    return walk(conn, 0 if lowest is None else min(int(lowest), 0))


def one(conn: sa.Connection, sequence: int) -> Entry | None:
    """The entry with this sequence."""
    return next(walk(conn, sequence, sequence), None)


def listed(conn: sa.Connection, filters: Mapping[str, str], action: str, before: int | None, limit: int) -> list[Entry]:
    """Entries, the newest first, below sequence ``before``; ``action`` is a name or the beginning of one."""
    query = sa.select(ENTRIES)
    for name, value in filters.items():
        assert name in _EXACT
        query = query.where(ENTRIES.c[name] == value)
    if action:
        query = query.where(ENTRIES.c.action.startswith(action, autoescape=True))
    if before is not None:
        query = query.where(ENTRIES.c.sequence < before)
    return [_entry(row) for row in conn.execute(query.order_by(ENTRIES.c.sequence.desc()).limit(limit))]


def bounds(conn: sa.Connection, from_ms: int | None, to_ms: int | None) -> tuple[int, int] | None:
    """The first and the last sequence written at or after ``from_ms`` and before ``to_ms``; None when there is none."""
    query = sa.select(ENTRIES.c.sequence).limit(1)
    if from_ms is not None:
        query = query.where(ENTRIES.c.at_ms >= from_ms)
    if to_ms is not None:
        query = query.where(ENTRIES.c.at_ms < to_ms)
    first = conn.scalar(query.order_by(ENTRIES.c.sequence))
    last = conn.scalar(query.order_by(ENTRIES.c.sequence.desc()))
    return None if first is None or last is None else (first, last)


def over(conn: sa.Connection, before_ms: int) -> Head | None:
    """The last entry of the beginning of the chain that was written before ``before_ms``; None when nothing was.

    At least the newest entry stays: there is always an end to go on from.
    """
    kept = sa.select(ENTRIES.c.sequence).where(ENTRIES.c.at_ms >= before_ms)
    first_kept = conn.scalar(kept.order_by(ENTRIES.c.sequence).limit(1))
    if first_kept is None:
        first_kept = read_head(conn).sequence
    query = sa.select(ENTRIES).where(ENTRIES.c.sequence < first_kept).order_by(ENTRIES.c.sequence.desc()).limit(1)
    row = conn.execute(query).first()
    return None if row is None else Head(row.sequence, row.hash)


def remove_through(conn: sa.Connection, sequence: int) -> int:
    """Remove the beginning of the chain up to this sequence; returns how many."""
    return conn.execute(sa.delete(ENTRIES).where(ENTRIES.c.sequence <= sequence)).rowcount


def _entry(row: sa.Row[Any]) -> Entry:
    return Entry(
        row.sequence, row.at_ms, row.actor, row.action, row.hall, row.machine, row.slot, row.subject,
        _read(row.detail), row.algorithm, row.previous, row.hash,
    )  # fmt: skip


def _read(text: str) -> Mapping[str, Any]:
    """The detail as it was written; what somebody made of it since must not end a check, but be found by it."""
    try:
        found = json.loads(text)
    except ValueError:
        return {"unreadable": text}
    return found if isinstance(found, dict) and canonical(found) == text else {"unreadable": text}
