"""Statements on accounts and their grants."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from cloud.access.model import Account, AccountState, Grant, Person, Role
from cloud.access.store.tables import account_grants, accounts
from cloud.core.errors import Conflict


def add(conn: sa.Connection, account: Account) -> None:
    """Store a new account. Raises Conflict when the name is taken."""
    if by_name(conn, account.name) is not None:
        raise Conflict(f"account {account.name!r}: the name is taken")
    conn.execute(accounts.insert().values(**asdict(account)))


def by_id(conn: sa.Connection, account_id: str) -> Person | None:
    """The account with this id."""
    return _person(conn, accounts.c.account_id == account_id)


def by_name(conn: sa.Connection, name: str) -> Person | None:
    """The account with this name."""
    return _person(conn, accounts.c.name == name)


def by_identity(conn: sa.Connection, issuer: str, subject: str) -> Person | None:
    """The account of somebody whom an identity provider knows."""
    return _person(conn, sa.and_(accounts.c.issuer == issuer, accounts.c.subject == subject))


def everybody(conn: sa.Connection) -> Sequence[Person]:
    """All accounts that are not removed, by name."""
    query = accounts.select().where(accounts.c.state != AccountState.REMOVED).order_by(accounts.c.name)
    grants: dict[str, set[Grant]] = {}
    for row in conn.execute(account_grants.select()):
        grants.setdefault(row.account_id, set()).add(Grant(Role(row.role), row.hall))
    found = [_account(row) for row in conn.execute(query).mappings()]
    return [Person(account, frozenset(grants.get(account.account_id, ()))) for account in found]


def change(conn: sa.Connection, account: Account, now_ms: int, **changes: Any) -> Account:
    """Change an account that nobody changed since it was read; its version rises. Raises Conflict."""
    statement = (
        accounts.update()
        .where(accounts.c.account_id == account.account_id, accounts.c.version == account.version)
        .values(version=account.version + 1, changed_ms=now_ms, **changes)
        .returning(accounts)
    )
    row = conn.execute(statement).mappings().first()
    if row is None:
        raise Conflict(f"account {account.name!r}: changed by somebody else meanwhile; look again")
    return _account(row)


def set_grants(conn: sa.Connection, account_id: str, grants: Iterable[Grant]) -> None:
    """Replace what an account may do."""
    conn.execute(account_grants.delete().where(account_grants.c.account_id == account_id))
    rows = [{"account_id": account_id, "role": grant.role, "hall": grant.hall} for grant in grants]
    if rows:
        conn.execute(account_grants.insert(), rows)


def _person(conn: sa.Connection, which: sa.ColumnElement[bool]) -> Person | None:
    row = conn.execute(accounts.select().where(which)).mappings().first()
    if row is None:
        return None
    grants = conn.execute(account_grants.select().where(account_grants.c.account_id == row["account_id"]))
    return Person(_account(row), frozenset(Grant(Role(grant.role), grant.hall) for grant in grants))


def _account(row: sa.RowMapping) -> Account:
    return Account(**{**row, "state": AccountState(row["state"])})
