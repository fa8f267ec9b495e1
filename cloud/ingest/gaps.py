"""Gaps that are open now, when and on which day they were noticed, and whether anybody was told."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.ingest.store import GAPS, STREAMS, StreamKey

_OF_STREAM = sa.and_(GAPS.c.machine == sa.bindparam("of_machine"), GAPS.c.epoch == sa.bindparam("of_epoch"))


@dataclass(frozen=True, slots=True)
class Gap:
    """The sequences ``first`` to ``last`` of a machine's epoch, which have not arrived though later ones have."""

    machine: str
    epoch: int
    first: int
    last: int
    day: str
    noticed_ms: int
    told: bool = False

    @property
    def missing(self) -> int:
        """How many sequences it holds."""
        return self.last - self.first + 1


def save_gaps(
    connection: sa.Connection, key: StreamKey, holes: Sequence[tuple[int, int]], day: str, noticed_ms: int
) -> None:
    """Make ``holes`` the open gaps of this stream. What is left of a known gap keeps its day and time."""
    of_stream = {"of_machine": key[0], "of_epoch": key[1]}
    known = connection.execute(sa.select(GAPS).where(_OF_STREAM).order_by(GAPS.c.first), of_stream).all()
    if [(row.first, row.last) for row in known] == list(holes):
        return
    connection.execute(sa.delete(GAPS).where(_OF_STREAM), of_stream)
    rows = []
    for first, last in holes:
        before = next((row for row in known if row.first <= last and row.last >= first), None)
        since = (day, noticed_ms) if before is None else (before.day, before.noticed_ms)
        rows.append(
            {"machine": key[0], "epoch": key[1], "first": first, "last": last, "day": since[0], "noticed_ms": since[1]}
        )
    if rows:
        connection.execute(sa.insert(GAPS), rows)


def gaps_of(connection: sa.Connection, machine: str) -> list[Gap]:
    """The open gaps of a machine, in order."""
    return _read(connection, GAPS.c.machine == machine)


def first_gaps(connection: sa.Connection) -> list[Gap]:
    """The first open gap of every stream that has one."""
    first = sa.select(sa.func.min(GAPS.c.first)).where(
        GAPS.c.machine == STREAMS.c.machine, GAPS.c.epoch == STREAMS.c.epoch
    )
    return _read(connection, GAPS.c.first == first.correlate(STREAMS).scalar_subquery())


def is_missing_facts(connection: sa.Connection, machine: str) -> bool:
    """Whether a gap is open in the machine's present epoch: one that it can still fill."""
    present = sa.select(sa.func.max(STREAMS.c.epoch)).where(STREAMS.c.machine == machine).scalar_subquery()
    query = sa.select(GAPS.c.first).where(GAPS.c.machine == machine, GAPS.c.epoch == present).limit(1)
    return connection.execute(query).first() is not None


def set_told(connection: sa.Connection, machine: str, epoch: int, told: bool) -> None:
    """Note whether people know of the gaps of this stream."""
    of_stream = sa.and_(STREAMS.c.machine == machine, STREAMS.c.epoch == epoch)
    connection.execute(sa.update(STREAMS).where(of_stream).values(told=told))


def closed_and_told(connection: sa.Connection) -> list[StreamKey]:
    """Streams without a gap of which people still believe that something is missing."""
    has_gap = sa.exists().where(GAPS.c.machine == STREAMS.c.machine, GAPS.c.epoch == STREAMS.c.epoch)
    query = sa.select(STREAMS.c.machine, STREAMS.c.epoch).where(STREAMS.c.told, ~has_gap)
    return [(row.machine, row.epoch) for row in connection.execute(query)]


def _read(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> list[Gap]:
    of_stream = sa.and_(GAPS.c.machine == STREAMS.c.machine, GAPS.c.epoch == STREAMS.c.epoch)
    query = sa.select(GAPS, STREAMS.c.told).join(STREAMS, of_stream).where(condition)
    rows = connection.execute(query.order_by(GAPS.c.machine, GAPS.c.epoch, GAPS.c.first))
    return [Gap(row.machine, row.epoch, row.first, row.last, row.day, row.noticed_ms, row.told) for row in rows]
