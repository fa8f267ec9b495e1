"""The tables of access: role -> permissions, steps of an account, and how long a failed log-in shuts the door."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from cloud.access.model import AccountState, Attempts, Grant, Role
from cloud.core.callers import Permission, Rights
from cloud.core.errors import Conflict

P = Permission  # the table is read as one

ROLES: Mapping[Role, frozenset[P]] = MappingProxyType(
    {
        Role.MANAGER: frozenset(
            {
                P.SEE_HALL, P.SEE_MACHINES, P.SEE_FAULTS, P.ACT_ON_FAULTS, P.SERVE, P.DECIDE_MOVES, P.SEE_CASES,
                P.ACT_ON_CASES,
            }
        ),
        Role.COUNTER_STAFF: frozenset({P.SEE_HALL, P.SEE_FAULTS, P.SERVE, P.SEE_CASES, P.ACT_ON_CASES}),
        Role.CREW: frozenset({P.SEE_MACHINES, P.SEND_COMMANDS, P.SEE_FAULTS, P.ACT_ON_FAULTS}),
        Role.AUDITOR: frozenset({P.SEE_HALL, P.SEE_MACHINES, P.SEE_FAULTS, P.SEE_CASES, P.SEE_RECORD, P.SEE_AUDIT}),
        Role.INTEGRATOR: frozenset(
            {
                P.SEE_HALL, P.SEE_MACHINES, P.SEND_COMMANDS, P.CONFIGURE_MACHINES, P.ENROL_MACHINES, P.SEE_FAULTS,
                P.SEE_METRICS,
            }
        ),
        Role.ADMINISTRATOR: frozenset(P),
    }
)  # fmt: skip


def rights_of(grants: Iterable[Grant]) -> Rights:
    """What somebody with these grants may do, and in which halls."""
    found: dict[P, set[str]] = {}
    for grant in grants:
        for permission in ROLES[grant.role]:
            found.setdefault(permission, set()).add(grant.hall)
    return {permission: frozenset(halls) for permission, halls in found.items()}


class AccountStep(StrEnum):
    """What happens to an account."""

    DISABLE = "disable"
    ENABLE = "enable"
    REMOVE = "remove"


TRANSITIONS: Mapping[tuple[AccountState, AccountStep], AccountState] = MappingProxyType(
    {
        (AccountState.ACTIVE, AccountStep.DISABLE): AccountState.DISABLED,
        (AccountState.DISABLED, AccountStep.ENABLE): AccountState.ACTIVE,
        (AccountState.ACTIVE, AccountStep.REMOVE): AccountState.REMOVED,
        (AccountState.DISABLED, AccountStep.REMOVE): AccountState.REMOVED,
    }
)


def after(state: AccountState, step: AccountStep) -> AccountState:
    """The state after a step. Raises Conflict for one that the state does not know."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise Conflict(f"account: it is {state}, which does not allow to {step} it") from None


FORGOTTEN_AFTER_MS = 24 * 3600 * 1000
LONGEST_MS = 15 * 60 * 1000
# Failures that cost nothing: a person mistypes; behind one address sits a whole hall.
FREE = MappingProxyType({"account": 4, "address": 20})


def failed(kind: str, before: Attempts, now_ms: int) -> Attempts:
    """After one more failure: free at first, then a second, and twice as long each time up to a quarter of an hour."""
    failures = 1 if now_ms - before.last_ms > FORGOTTEN_AFTER_MS else before.failures + 1
    beyond = failures - FREE[kind]
    delay_ms = 0 if beyond <= 0 else min(LONGEST_MS, 1000 * 2 ** min(beyond - 1, 20))
    return Attempts(failures, now_ms, now_ms + delay_ms)
