"""The end of what facts and the quarantine hold of people."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from cloud.ingest.quarantine import QUARANTINE
from cloud.ingest.store import EVENTS
from cloud.storage.people import blinded, mentions


def end_quarantine(conn: sa.Connection, before_ms: int, limit: int) -> int:
    """Remove what was put aside before ``before_ms``; at most ``limit``."""
    ids = list(conn.scalars(sa.select(QUARANTINE.c.id).where(QUARANTINE.c.received_ms < before_ms).limit(limit)))
    return conn.execute(sa.delete(QUARANTINE).where(QUARANTINE.c.id.in_(ids))).rowcount if ids else 0


def erase_from_events(conn: sa.Connection, words: Collection[str]) -> int:
    """Take what is personal out of the facts that hold one of ``words`` (a person's token, ids of commands)."""
    place = (EVENTS.c.machine, EVENTS.c.epoch, EVENTS.c.sequence)
    rows = conn.execute(sa.select(*place, EVENTS.c.data).where(mentions(EVENTS.c.data, words))).all()
    changed = 0
    for row in rows:
        data: dict[str, Any] = blinded(row.data)
        if data != row.data:
            here = sa.and_(*(column == value for column, value in zip(place, row[:3], strict=True)))
            conn.execute(sa.update(EVENTS).where(here).values(data=data))
            changed += 1
    return changed


def erase_from_quarantine(conn: sa.Connection, words: Collection[str]) -> int:
    """Remove what was put aside and holds one of ``words``: what did not parse cannot be blinded."""
    marks = [word.encode() for word in words]
    rows = conn.execute(sa.select(QUARANTINE.c.id, QUARANTINE.c.payload))
    ids = [row.id for row in rows if any(mark in row.payload for mark in marks)]
    return conn.execute(sa.delete(QUARANTINE).where(QUARANTINE.c.id.in_(ids))).rowcount if ids else 0
