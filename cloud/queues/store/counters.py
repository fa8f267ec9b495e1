"""Statements on counters and on the day that a hall is in."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from cloud.core.errors import Conflict, NotFound
from cloud.queues.model import Counter, CounterState
from cloud.queues.store.tables import counters, hall_days
from cloud.storage.upsert import insert_missing, upsert


def add_missing(conn: sa.Connection, rows: Sequence[Counter]) -> None:
    """Store counters that are not known yet; those that are known keep what the day made of them."""
    insert_missing(conn, counters, [_values(counter) for counter in rows], ["hall", "counter"])


def of_hall(conn: sa.Connection, hall: str) -> Sequence[Counter]:
    """The counters of a hall by their number."""
    query = counters.select().where(counters.c.hall == hall).order_by(counters.c.number)
    return [_counter(row) for row in conn.execute(query).mappings()]


def get(conn: sa.Connection, name: str) -> Counter:
    """The counter ``c1``, or ``hall:c1`` where several halls have a ``c1``. Raises NotFound or Conflict."""
    hall, _, counter = name.rpartition(":")
    query = counters.select().where(counters.c.counter == counter)
    if hall:
        query = query.where(counters.c.hall == hall)
    found = [_counter(row) for row in conn.execute(query.order_by(counters.c.hall)).mappings()]
    if not found:
        raise NotFound(f"counter {name[:100]!r}: there is none with this id")
    if len(found) > 1:
        ways = ", ".join(f"{one.hall}:{one.counter}" for one in found)
        raise Conflict(f"counter {name[:100]!r} stands in several halls: say one of {ways}")
    return found[0]


def halls_with(conn: sa.Connection, counter: str) -> Sequence[str]:
    """The halls that have a counter with this short id."""
    return list(conn.execute(sa.select(counters.c.hall).where(counters.c.counter == counter)).scalars())


def at_machine(conn: sa.Connection, machine: str) -> Counter | None:
    """The counter whose counter set this machine is."""
    row = conn.execute(counters.select().where(counters.c.machine == machine)).mappings().first()
    return None if row is None else _counter(row)


def change(conn: sa.Connection, counter: Counter, **changes: Any) -> Counter:
    """Change a counter that nobody changed since it was read. Raises Conflict when somebody was faster."""
    statement = (
        counters.update()
        .where(counters.c.hall == counter.hall, counters.c.counter == counter.counter)
        .where(counters.c.version == counter.version)
        .values(version=counter.version + 1, **changes)
        .returning(counters)
    )
    row = conn.execute(statement).mappings().first()
    if row is None:
        raise Conflict(f"counter {counter.counter}: changed by somebody else meanwhile; look again")
    return _counter(row)


def day_of(conn: sa.Connection, hall: str) -> str:
    """The day that the hall is in, empty before its first one."""
    day: str | None = conn.execute(sa.select(hall_days.c.day).where(hall_days.c.hall == hall)).scalar()
    return day or ""


def set_day(conn: sa.Connection, hall: str, day: str) -> None:
    """Put the hall into another day."""
    upsert(conn, hall_days, [{"hall": hall, "day": day}], ["hall"])


def _values(counter: Counter) -> dict[str, Any]:
    values = {name: getattr(counter, name) for name in counters.c.keys()}  # noqa: SIM118 - a collection, not a dict
    return {**values, "services": list(counter.services)}


def _counter(row: sa.RowMapping) -> Counter:
    return Counter(**{**row, "state": CounterState(row["state"]), "services": tuple(row["services"])})
