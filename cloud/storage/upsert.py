"""Insert-or-update in the dialect of the connection, for one row or many."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

Row = Mapping[str, Any]


def insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """``INSERT`` with ``on_conflict_do_update`` / ``on_conflict_do_nothing`` for this connection's
    database.
    """
    return insert_for(connection.dialect.name, table)


def insert_for(dialect: str, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """The same by the dialect's name, for a statement that is made once and kept."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Iterable[Row],
    key: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert ``rows``; where ``key`` is taken, set the columns ``update`` (default: all others) to the new values.

    Rows with the same key are merged first, the last one wins: PostgreSQL refuses to touch a row twice in a statement.
    """
    last = {tuple(row[name] for name in key): row for row in rows}
    if not last:
        return
    first = next(iter(last.values()))
    names = [name for name in first if name not in key] if update is None else update
    statement = _statement(connection.dialect.name, table, tuple(key), tuple(names))
    connection.execute(statement, [dict(row) for row in last.values()])


def insert_missing(connection: sa.Connection, table: sa.Table, rows: Iterable[Row], key: Sequence[str]) -> None:
    """Insert ``rows``; those whose ``key`` is taken are left as they are."""
    values = [dict(row) for row in rows]
    if values:
        connection.execute(_statement(connection.dialect.name, table, tuple(key), ()), values)


@lru_cache(maxsize=256)
def _statement(dialect: str, table: sa.Table, key: tuple[str, ...], names: tuple[str, ...]) -> sa.Insert:
    # Made once: putting a statement together takes longer than running it.
    statement = insert_for(dialect, table)
    if not names:
        return statement.on_conflict_do_nothing(index_elements=list(key))
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={name: statement.excluded[name] for name in names}
    )
