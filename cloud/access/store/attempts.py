"""Statements on failed log-ins."""

import sqlalchemy as sa

from cloud.access.model import Attempts
from cloud.access.store.tables import login_attempts
from cloud.storage.upsert import upsert

_KEY = ["kind", "subject"]


def of(conn: sa.Connection, kind: str, subject: str) -> Attempts:
    """What was tried so far; on PostgreSQL the row stays locked until the end of the transaction."""
    query = sa.select(login_attempts.c.failures, login_attempts.c.last_ms, login_attempts.c.until_ms)
    row = conn.execute(query.where(*_is(kind, subject)).with_for_update()).first()
    return Attempts() if row is None else Attempts(*row)


def note(conn: sa.Connection, kind: str, subject: str, now: Attempts, forget_before_ms: int) -> None:
    """Keep what was tried; what is long ago goes."""
    conn.execute(login_attempts.delete().where(login_attempts.c.last_ms < forget_before_ms))
    row = {"failures": now.failures, "last_ms": now.last_ms, "until_ms": now.until_ms}
    upsert(conn, login_attempts, [{"kind": kind, "subject": subject, **row}], _KEY)


def forget(conn: sa.Connection, kind: str, subject: str) -> None:
    """Begin anew."""
    conn.execute(login_attempts.delete().where(*_is(kind, subject)))


def give_back(conn: sa.Connection, kind: str, subject: str) -> None:
    """Take one failure back: it was none after all."""
    fewer = sa.case((login_attempts.c.failures > 0, login_attempts.c.failures - 1), else_=0)
    conn.execute(login_attempts.update().where(*_is(kind, subject)).values(failures=fewer, until_ms=0))


def _is(kind: str, subject: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return login_attempts.c.kind == kind, login_attempts.c.subject == subject
