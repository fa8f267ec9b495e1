"""Tables of ingest: facts as they came, which sequences arrived, how complete each day is, what is missing now."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from cloud.ingest.sequences import Stream
from cloud.storage.metadata import Big, Json, metadata
from cloud.storage.upsert import insert_for, insert_missing, upsert

EVENTS = sa.Table(
    "events",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True),
    sa.Column("epoch", Big, primary_key=True),
    sa.Column("sequence", Big, primary_key=True),
    sa.Column("slot", sa.Text, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("at_ms", Big, nullable=False),
    sa.Column("received_ms", Big, nullable=False),
    sa.Column("historical", sa.Boolean, nullable=False),
    sa.Column("data", Json, nullable=False),
    sqlite_with_rowid=False,
)
STREAMS = sa.Table(
    "streams",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True),
    sa.Column("epoch", Big, primary_key=True),
    sa.Column("contiguous", Big, nullable=False),
    sa.Column("ahead", Json, nullable=False),
    sa.Column("received_ms", Big, nullable=False),
    sa.Column("told", sa.Boolean, nullable=False, server_default=sa.false()),
)
LEDGER = sa.Table(
    "ledger",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True),
    sa.Column("epoch", Big, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("received", Big, nullable=False),
    sa.Column("dropped", Big, nullable=False),
    sa.Column("quarantined", Big, nullable=False),
    sa.Column("dropped_business", Big, nullable=False, server_default="0"),
    sa.Column("freed", Big, nullable=False, server_default="0"),
)
GAPS = sa.Table(
    "gaps",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True),
    sa.Column("epoch", Big, primary_key=True),
    sa.Column("first", Big, primary_key=True),
    sa.Column("last", Big, nullable=False),
    sa.Column("day", sa.Text, nullable=False),
    sa.Column("noticed_ms", Big, nullable=False),
)
COUNTED = ("received", "dropped", "quarantined", "dropped_business", "freed")
StreamKey = tuple[str, int]
_OF_MACHINES = sa.select(STREAMS).where(STREAMS.c.machine.in_(sa.bindparam("machines", expanding=True)))


def load_streams(connection: sa.Connection, machines: Sequence[str]) -> dict[StreamKey, Stream]:
    """The streams of these machines, every epoch of them."""
    return {
        (row.machine, row.epoch): Stream(row.contiguous, [(first, last) for first, last in row.ahead])
        for row in connection.execute(_OF_MACHINES, {"machines": list(machines)})
    }


def save_streams(connection: sa.Connection, streams: Mapping[StreamKey, Stream], received_ms: int) -> None:
    """Write these streams."""
    rows = [
        {
            "machine": machine,
            "epoch": epoch,
            "contiguous": stream.contiguous,
            "ahead": stream.ahead,
            "received_ms": received_ms,
        }
        for (machine, epoch), stream in streams.items()
    ]
    upsert(connection, STREAMS, rows, ["machine", "epoch"], ["contiguous", "ahead", "received_ms"])


def append_events(connection: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append facts; one that is there already is left alone."""
    insert_missing(connection, EVENTS, rows, ["machine", "epoch", "sequence"])


def add_to_ledger(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add to the day's counts. Each (machine, epoch, day) at most once in ``rows``."""
    if not rows:
        return
    connection.execute(_adding(connection.dialect.name), list(rows))


@lru_cache(maxsize=2)
def _adding(dialect: str) -> sa.Insert:
    statement = insert_for(dialect, LEDGER)
    counts = {name: LEDGER.c[name] + statement.excluded[name] for name in COUNTED}
    return statement.on_conflict_do_update(index_elements=["machine", "epoch", "day"], set_=counts)


def read_events(
    connection: sa.Connection, machine: str, before: tuple[int, int] | None, limit: int
) -> Sequence[sa.Row[Any]]:
    """Facts of a machine, newest sequence first, below (epoch, sequence) ``before``."""
    query = sa.select(EVENTS).where(EVENTS.c.machine == machine)
    if before is not None:
        query = query.where(sa.tuple_(EVENTS.c.epoch, EVENTS.c.sequence) < before)
    return connection.execute(query.order_by(EVENTS.c.epoch.desc(), EVENTS.c.sequence.desc()).limit(limit)).all()


def read_ledger(connection: sa.Connection, machine: str) -> Sequence[sa.Row[Any]]:
    """The counts of a machine per epoch and day."""
    query = sa.select(LEDGER).where(LEDGER.c.machine == machine)
    return connection.execute(query.order_by(LEDGER.c.epoch, LEDGER.c.day)).all()


def purge_events(connection: sa.Connection, before_ms: int, limit: int) -> int:
    """Forget up to ``limit`` facts of one machine received before ``before_ms``, the oldest first; how many went.

    Streams and the ledger stay: a fact that was forgotten is not taken in again, and the sums stay true. It reads a
    stream from its beginning only, so no index by time is needed: what was sent again late may stay a little longer.
    """
    for machine, epoch in connection.execute(sa.select(STREAMS.c.machine, STREAMS.c.epoch)).all():
        of_stream = sa.and_(EVENTS.c.machine == machine, EVENTS.c.epoch == epoch)
        head = sa.select(EVENTS.c.sequence, EVENTS.c.received_ms).where(of_stream).order_by(EVENTS.c.sequence)
        last = 0
        for row in connection.execute(head.limit(limit)):
            if row.received_ms >= before_ms:
                break
            last = row.sequence
        if last:
            return connection.execute(sa.delete(EVENTS).where(of_stream, EVENTS.c.sequence <= last)).rowcount
    return 0
