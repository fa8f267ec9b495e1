"""Statements on department calls. A call is a row until it has ended, so a restart finds what is under way."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cloud.flows.model import Call, DepartmentCall, Sealed
from cloud.flows.store.tables import department_calls
from cloud.storage.upsert import insert_missing

OPEN = "open"
_SEALED = "$sealed"


def add(conn: sa.Connection, case_id: str, call: DepartmentCall, now_ms: int) -> None:
    """Store a call; one that is known already stays as it is."""
    row = {
        "key": call.key,
        "case_id": case_id,
        "operation": call.operation,
        "body": {name: _written(value) for name, value in call.body.items()},
        "state": OPEN,
        "attempts": 0,
        "give_up_ms": now_ms + round(call.patience_s * 1000),
        "next_ms": now_ms,
    }
    insert_missing(conn, department_calls, [row], ["key"])


def due(conn: sa.Connection, now_ms: int, limit: int = 16) -> Sequence[Call]:
    """Calls that wait for their next attempt."""
    columns = [column for column in department_calls.c if column.name != "state"]
    query = sa.select(*columns).where(department_calls.c.state == OPEN, department_calls.c.next_ms <= now_ms)
    return [Call(**row) for row in conn.execute(query.order_by(department_calls.c.next_ms).limit(limit)).mappings()]


def next_attempt(conn: sa.Connection) -> int | None:
    """When the next attempt is due."""
    query = sa.select(sa.func.min(department_calls.c.next_ms)).where(department_calls.c.state == OPEN)
    found: int | None = conn.execute(query).scalar()
    return found


def put_off(conn: sa.Connection, call: Call, next_ms: int) -> None:
    """No answer this time: try again at ``next_ms``."""
    _change(conn, call, attempts=call.attempts + 1, next_ms=next_ms)


def end(conn: sa.Connection, call: Call, state: str) -> bool:
    """The call has ended; False when it had ended before. What it was asked with is erased."""
    return _change(conn, call, state=state, attempts=call.attempts + 1, body={})


def sealed_parts(body: Mapping[str, Any]) -> dict[str, Sealed]:
    """The fields of a stored body that stand for sealed values."""
    return {name: Sealed(*value[_SEALED]) for name, value in body.items() if isinstance(value, dict)}


def _written(value: str | int | Sealed) -> Any:
    return {_SEALED: [value.secret, value.field]} if isinstance(value, Sealed) else value


def _change(conn: sa.Connection, call: Call, **changes: Any) -> bool:
    statement = (
        department_calls.update()
        .where(department_calls.c.key == call.key, department_calls.c.state == OPEN)
        .values(**changes)
    )
    return conn.execute(statement).rowcount == 1
