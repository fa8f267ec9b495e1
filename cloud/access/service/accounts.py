"""People: who has an account, what each may do and where. Every change ends the sessions made before it."""

import re
from collections.abc import Collection
from typing import Any

from cloud.access.model import Account, AccountState, Grant, Identity, Person, Role
from cloud.access.states import AccountStep, after
from cloud.access.store import accounts, keys
from cloud.core.callers import ALL_HALLS
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, Invalid, NotFound
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Tx

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,39}")
SHORTEST, LONGEST = 12, 256
NO_PASSWORD = ""


class AccountService:
    """``halls``: those of this cloud; a grant names one of them, or ``*``."""

    def __init__(self, halls: Collection[str], clock: Clock) -> None:
        self._halls = frozenset(halls)
        self._clock = clock

    def add(self, tx: Tx, name: str, shown_name: str, password: str, grants: Collection[Grant]) -> Account:
        """A new account; ``password`` is already a hash. Raises Invalid, Conflict."""
        if not NAME.fullmatch(name):
            raise Invalid(f"account: expected 2 to 40 of a-z, 0-9, '.', '_' and '-', got {name[:60]!r}")
        self._check(grants)
        account = self._new(name, shown_name or name, password)
        accounts.add(tx.conn, account)
        accounts.set_grants(tx.conn, account.account_id, grants)
        self._tell(tx, "account.added", account, grants=_words(grants))
        return account

    def named(self, conn: Connection, name: str) -> Person:
        """The account with this name. Raises NotFound."""
        found = accounts.by_name(conn, name)
        if found is None or found.account.state is AccountState.REMOVED:
            raise NotFound(f"account {name[:60]!r}: there is none with this name")
        return found

    def everybody(self, conn: Connection) -> list[Person]:
        """All accounts by name."""
        return list(accounts.everybody(conn))

    def grant(self, tx: Tx, name: str, grant: Grant) -> Account:
        """One role more."""
        self._check([grant])
        person = self.named(tx.conn, name)
        return self._regrant(tx, person, person.grants | {grant})

    def withdraw(self, tx: Tx, name: str, grant: Grant) -> Account:
        """One role less. Raises NotFound, Conflict for the last administrator."""
        person = self.named(tx.conn, name)
        if grant not in person.grants:
            raise NotFound(f"account {name}: it is not {grant.role} in {grant.hall}")
        self._keep_an_administrator(tx, person, person.grants - {grant})
        return self._regrant(tx, person, person.grants - {grant})

    def set_password(self, tx: Tx, name: str, password: str) -> Account:
        """Another password (a hash). Raises Conflict for somebody whom the identity provider knows."""
        person = self.named(tx.conn, name)
        if person.account.issuer:
            raise Conflict(f"account {name}: it logs in at {person.account.issuer}, where its password is changed")
        return self._change(tx, person, "account.password_changed", password=password)

    def step(self, tx: Tx, name: str, step: AccountStep) -> Account:
        """Disable, enable or remove an account. Raises NotFound, Conflict for the last administrator."""
        person = self.named(tx.conn, name)
        state = after(person.account.state, step)
        if state is not AccountState.ACTIVE:
            self._keep_an_administrator(tx, person, frozenset())
        if state is not AccountState.REMOVED:
            return self._change(tx, person, f"account.{step}d", state=state)
        account_id = person.account.account_id
        accounts.set_grants(tx.conn, account_id, ())
        keys.end_tokens(tx.conn, account_id)
        gone: dict[str, Any] = {
            "name": account_id,
            "shown_name": "",
            "password": NO_PASSWORD,
            "issuer": "",
            "subject": "",
        }
        return self._change(tx, person, "account.removed", state=state, **gone)

    def arrive(self, tx: Tx, identity: Identity) -> Account:
        """Somebody whom the identity provider vouches for: known by issuer and subject, with the grants of today."""
        person = accounts.by_identity(tx.conn, identity.issuer, identity.subject)
        grants = frozenset(grant for grant in identity.grants if grant.hall in self._halls | {ALL_HALLS})
        if person is not None:
            return person.account if person.grants == grants else self._regrant(tx, person, grants)
        account_id = new_id("account")
        account = self._new(account_id, identity.shown_name, NO_PASSWORD, account_id, identity)
        accounts.add(tx.conn, account)
        accounts.set_grants(tx.conn, account_id, grants)
        self._tell(tx, "account.added", account, grants=_words(grants), issuer=identity.issuer)
        return account

    def _new(
        self, name: str, shown_name: str, password: str, account_id: str = "", identity: Identity | None = None
    ) -> Account:
        now_ms = to_ms(self._clock.now())
        return Account(
            account_id=account_id or new_id("account"),
            name=name,
            shown_name=shown_name[:120],
            password=password,
            issuer="" if identity is None else identity.issuer,
            subject="" if identity is None else identity.subject,
            state=AccountState.ACTIVE,
            version=1,
            made_ms=now_ms,
            changed_ms=now_ms,
        )

    def _regrant(self, tx: Tx, person: Person, grants: frozenset[Grant]) -> Account:
        accounts.set_grants(tx.conn, person.account.account_id, grants)
        return self._change(tx, person, "account.granted", told={"grants": _words(grants)})

    def _change(self, tx: Tx, person: Person, fact: str, told: dict[str, Any] | None = None, **changes: Any) -> Account:
        changed = accounts.change(tx.conn, person.account, to_ms(self._clock.now()), **changes)
        keys.end_sessions(tx.conn, changed.account_id)
        self._tell(tx, fact, changed, **(told or {}))
        return changed

    def _keep_an_administrator(self, tx: Tx, person: Person, grants: frozenset[Grant]) -> None:
        chief = Grant(Role.ADMINISTRATOR, ALL_HALLS)
        if chief not in person.grants or chief in grants:
            return
        others = [
            other
            for other in accounts.everybody(tx.conn)
            if other.account.account_id != person.account.account_id
            and other.account.state is AccountState.ACTIVE
            and chief in other.grants
        ]
        if not others:
            raise Conflict(
                f"account {person.account.name}: it is the last administrator of all halls; make another first"
            )

    def _check(self, grants: Collection[Grant]) -> None:
        for grant in grants:
            if grant.hall != ALL_HALLS and grant.hall not in self._halls:
                known = ", ".join(sorted(self._halls))
                raise Invalid(f"hall {grant.hall[:60]!r}: expected {ALL_HALLS} or a hall of this cloud: {known}")

    def _tell(self, tx: Tx, fact: str, account: Account, **more: Any) -> None:
        tx.publish(Fact(fact, self._clock.now(), {"account_id": account.account_id, **more}))


def check_password(password: str, name: str) -> str:
    """The password, when it is long enough to resist guessing. Raises Invalid without it."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid(f"password: expected {SHORTEST} to {LONGEST} characters, got {len(password)}")
    if len(set(password)) < 5 or name in password.lower():
        raise Invalid("password: expected at least 5 different characters, and not the account's name in it")
    return password


def _words(grants: Collection[Grant]) -> list[str]:
    return sorted(f"{grant.role}@{grant.hall}" for grant in grants)
