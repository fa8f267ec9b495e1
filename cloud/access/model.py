"""What accounts, grants, sessions and tokens are. Times are milliseconds since 1970 (UTC)."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What somebody is in a hall; ``states.ROLES`` says what each may do."""

    MANAGER = "manager"
    COUNTER_STAFF = "counter_staff"
    CREW = "crew"
    AUDITOR = "auditor"
    INTEGRATOR = "integrator"
    ADMINISTRATOR = "administrator"


class AccountState(StrEnum):
    """``removed``: nothing of the person is kept but the id that the record names."""

    ACTIVE = "active"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in one hall, or in ``*``: all halls."""

    role: Role
    hall: str


@dataclass(frozen=True, slots=True)
class Account:
    """A person. ``password`` is an argon2 hash, empty for one who comes by ``issuer`` and ``subject`` (OpenID Connect).

    ``version`` rises with every change of state, password or grants: sessions of an older one are over.
    """

    account_id: str
    name: str
    shown_name: str
    password: str
    issuer: str
    subject: str
    state: AccountState
    version: int
    made_ms: int
    changed_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """An account with its grants."""

    account: Account
    grants: frozenset[Grant]


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in. ``digest`` is the hash of the id that the browser holds; ``version`` that of the account then."""

    digest: str
    account_id: str
    version: int
    made_ms: int
    seen_ms: int
    ends_ms: int


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A program's way in, on behalf of an account: never more than the account itself may at that moment."""

    token_id: str
    digest: str
    account_id: str
    label: str
    scopes: tuple[str, ...]
    halls: tuple[str, ...]
    made_ms: int
    ends_ms: int
    used_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Attempts:
    """Failed log-ins of one account name or from one address; nobody tries again before ``until_ms``."""

    failures: int = 0
    last_ms: int = 0
    until_ms: int = 0


@dataclass(frozen=True, slots=True)
class SignOn:
    """A log-in at the identity provider that has begun. ``digest``: hash of ``state``; ``browser``: of its cookie."""

    digest: str
    browser: str
    nonce: str
    verifier: str
    way_on: str
    ends_ms: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the identity provider says that somebody is."""

    issuer: str
    subject: str
    shown_name: str
    grants: frozenset[Grant]
