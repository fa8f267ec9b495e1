"""Insert-or-update in the dialect of the connection, for one row or many."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """``INSERT`` with ``on_conflict_do_update`` / ``on_conflict_do_nothing`` for this connection's
    database.
    """
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Iterable[Row],
    key: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert ``rows``; where ``key`` is taken, set the columns ``update`` (default: all others) to the new
    values.

    Rows with the same key are merged first, the last one wins: PostgreSQL refuses to touch a row twice in a
    statement.
    """
    last = {tuple(row[name] for name in key): row for row in rows}
    if not last:
        return
    first = next(iter(last.values()))
    names = [name for name in first if name not in key] if update is None else update
    statement = insert(connection, table)
    values = {name: statement.excluded[name] for name in names}
    connection.execute(_on_conflict(statement, key, values), [dict(row) for row in last.values()])


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Iterable[Row], key: Sequence[str]) -> None:
    """Insert ``rows``; those whose ``key`` is taken are left as they are."""
    values = [dict(row) for row in rows]
    if values:
        connection.execute(insert(connection, table).on_conflict_do_nothing(index_elements=list(key)), values)


def _on_conflict(statement: Any, key: Sequence[str], values: Mapping[str, Any]) -> sa.Insert:
    result: sa.Insert
    if values:
        result = statement.on_conflict_do_update(index_elements=list(key), set_=dict(values))
    else:
        result = statement.on_conflict_do_nothing(index_elements=list(key))
    return result
