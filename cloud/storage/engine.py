"""Engines for SQLite and PostgreSQL, set up so that no update is lost and nothing committed disappears."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from cloud.core.errors import Invalid, Unavailable

# An escaped NUL, not an escaped backslash with u0000 behind it.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
SQLITE_BUSY_MS = 10_000


def create_engine(url: str, *, read_only: bool = False, readers: int = 4) -> sa.Engine:
    """An engine for ``sqlite:///file`` or ``postgresql://...``; raises Invalid for anything else.

    Writing transactions take the write lock when they begin (SQLite) or fail when a row that they read and
    change was changed meanwhile (PostgreSQL, REPEATABLE READ; the writer tries again): read-then-write
    never loses an update.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, read_only, readers)
    options = {"postgresql_readonly": True} if read_only else {"isolation_level": "REPEATABLE READ"}
    size = readers if read_only else 1
    return sa.create_engine(
        parsed,
        pool_size=size,
        max_overflow=2,
        pool_pre_ping=True,
        execution_options=options,
        json_serializer=to_json,
        hide_parameters=True,  # values may be personal; errors are logged
    )


def database_url(url: str) -> URL:
    """The parsed URL with the driver that we use."""
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise Invalid(f"database_url: expected sqlite:///file or postgresql://..., got {_shown(url)}") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if backend == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise Invalid(f"database_url: expected sqlite:///file or postgresql://..., got {_shown(url)}")


def to_json(value: Any) -> str:
    """JSON that both databases keep and every reader takes: no NaN, no infinity, no NUL. Raises Invalid."""
    try:
        text = _encode(value)
    except ValueError as error:
        raise Invalid("json: expected finite numbers, got NaN or infinity") from error
    if "\\u0000" in text and _NUL.search(text):
        raise Invalid("json: expected text without NUL characters")
    return text


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite URL, None for PostgreSQL."""
    parsed = database_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def _shown(url: str) -> str:
    # Never the address: it may hold a password.
    scheme, found, _ = url.partition("://")
    return repr(f"{scheme}://...") if found and scheme.isidentifier() else "something without a scheme"


@contextmanager
def must_answer() -> Iterator[None]:
    """At a start: a database that cannot be used becomes one clear line. Raises Unavailable."""
    try:
        yield
    except sa.exc.DatabaseError as error:
        reason = str(error.orig).partition("\n")[0]
        raise Unavailable(f"database_url: expected a database that answers, got: {reason}") from error


def _sqlite(url: URL, read_only: bool, readers: int) -> sa.Engine:
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Invalid(f"database_url: expected a folder to write in, got {folder}: {error.strerror}") from error
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        json_serializer=to_json,
        hide_parameters=True,  # values may be personal; errors are logged
        pool_size=readers if read_only else 1,
        connect_args={"check_same_thread": False, "timeout": SQLITE_BUSY_MS / 1000},
    )
    sa.event.listen(engine, "connect", _prepare_reader if read_only else _prepare_writer)
    sa.event.listen(engine, "begin", _begin_deferred if read_only else _begin_immediate)
    return engine


def _prepare_writer(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: its deferred BEGIN loses updates (see the test).
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an acknowledged event survives a power cut; NORMAL lost some
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _prepare_reader(connection: Any, record: object) -> None:
    _prepare_writer(connection, record)
    connection.execute("PRAGMA query_only=ON")


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_deferred(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")
