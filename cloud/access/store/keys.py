"""Statements on what opens doors: sessions, API tokens, log-ins under way at an identity provider."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from cloud.access.model import ApiToken, Session, SignOn
from cloud.access.store.tables import api_tokens, sessions, sign_ons


def add_session(conn: sa.Connection, session: Session, now_ms: int) -> None:
    """Store a session; those whose time is over go."""
    conn.execute(sessions.delete().where(sessions.c.ends_ms <= now_ms))
    conn.execute(sessions.insert().values(**asdict(session)))


def session(conn: sa.Connection, digest: str) -> Session | None:
    """The session whose id has this hash."""
    row = conn.execute(sessions.select().where(sessions.c.digest == digest)).mappings().first()
    return None if row is None else Session(**row)


def note_seen(conn: sa.Connection, digest: str, now_ms: int) -> None:
    """A session was used."""
    conn.execute(sessions.update().where(sessions.c.digest == digest).values(seen_ms=now_ms))


def end_session(conn: sa.Connection, digest: str) -> bool:
    """End one session; whether there was one."""
    return conn.execute(sessions.delete().where(sessions.c.digest == digest)).rowcount == 1


def end_sessions(conn: sa.Connection, account_id: str) -> None:
    """End every session of an account."""
    conn.execute(sessions.delete().where(sessions.c.account_id == account_id))


def add_token(conn: sa.Connection, token: ApiToken) -> None:
    """Store a token."""
    conn.execute(api_tokens.insert().values(**asdict(token)))


def token(conn: sa.Connection, digest: str) -> ApiToken | None:
    """The token whose text has this hash."""
    row = conn.execute(api_tokens.select().where(api_tokens.c.digest == digest)).mappings().first()
    return None if row is None else _token(row)


def tokens(conn: sa.Connection) -> Sequence[ApiToken]:
    """All tokens, the newest first."""
    query = api_tokens.select().order_by(api_tokens.c.token_id.desc())
    return [_token(row) for row in conn.execute(query).mappings()]


def note_used(conn: sa.Connection, token_id: str, now_ms: int) -> None:
    """A token was used."""
    conn.execute(api_tokens.update().where(api_tokens.c.token_id == token_id).values(used_ms=now_ms))


def end_token(conn: sa.Connection, token_id: str) -> str | None:
    """Revoke a token; the account that it acted for, None when there is no such token."""
    statement = api_tokens.delete().where(api_tokens.c.token_id == token_id).returning(api_tokens.c.account_id)
    account: str | None = conn.execute(statement).scalar()
    return account


def end_tokens(conn: sa.Connection, account_id: str) -> None:
    """Revoke every token of an account."""
    conn.execute(api_tokens.delete().where(api_tokens.c.account_id == account_id))


def add_sign_on(conn: sa.Connection, begun: SignOn, now_ms: int) -> None:
    """Store a log-in that has begun; those whose time is over go."""
    conn.execute(sign_ons.delete().where(sign_ons.c.ends_ms <= now_ms))
    conn.execute(sign_ons.insert().values(**asdict(begun)))


def take_sign_on(conn: sa.Connection, digest: str) -> SignOn | None:
    """The log-in that began with this state; nobody gets it a second time."""
    row = conn.execute(sign_ons.delete().where(sign_ons.c.digest == digest).returning(sign_ons)).mappings().first()
    return None if row is None else SignOn(**row)


def _token(row: sa.RowMapping) -> ApiToken:
    return ApiToken(**{**row, "scopes": tuple(row["scopes"]), "halls": tuple(row["halls"])})
