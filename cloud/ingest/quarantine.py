"""Where messages go that do not parse or are not allowed: the reason and the first 4 KiB, counted, bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from cloud.storage.metadata import Big, Counting, metadata

KEPT_BYTES = 4096
KEPT_ROWS = 5000
REASON_LENGTH = 500
TOPIC_LENGTH = 200

QUARANTINE = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", Counting, primary_key=True),
    sa.Column("received_ms", Big, nullable=False),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("epoch", Big, nullable=False),
    sa.Column("sequence", Big, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("size", Big, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Put:
    """One thing to put aside. ``machine`` is empty and the numbers are 0 where they could not be told."""

    topic: str
    payload: bytes
    reason: str
    machine: str = ""
    epoch: int = 0
    sequence: int = 0


def put_aside(connection: sa.Connection, items: Sequence[Put], received_ms: int) -> None:
    """Keep ``items``; the oldest rows beyond KEPT_ROWS go."""
    if not items:
        return
    connection.execute(sa.insert(QUARANTINE), [_row(item, received_ms) for item in items])
    newest = connection.scalar(sa.select(sa.func.max(QUARANTINE.c.id))) or 0
    connection.execute(sa.delete(QUARANTINE).where(QUARANTINE.c.id <= newest - KEPT_ROWS))


def read_quarantine(connection: sa.Connection, before: int | None, limit: int) -> Sequence[sa.Row[Any]]:
    """What was put aside, newest first, below id ``before``."""
    query = sa.select(QUARANTINE)
    if before is not None:
        query = query.where(QUARANTINE.c.id < before)
    return connection.execute(query.order_by(QUARANTINE.c.id.desc()).limit(limit)).all()


def _row(item: Put, received_ms: int) -> dict[str, Any]:
    return {
        "received_ms": received_ms,
        "machine": item.machine,
        "epoch": item.epoch,
        "sequence": item.sequence,
        "topic": _storable(item.topic)[:TOPIC_LENGTH],
        "reason": _storable(item.reason)[:REASON_LENGTH],
        "size": len(item.payload),
        "payload": item.payload[:KEPT_BYTES],
    }


def _storable(text: str) -> str:
    # PostgreSQL keeps no NUL in text, and neither database keeps half a surrogate pair.
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
