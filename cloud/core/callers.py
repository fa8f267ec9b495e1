"""Who asks and what they may: what the gate finds out about a request, and routes, lists and pages go by."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum

from cloud.core.actors import SYSTEM, Actor

ALL_HALLS = "*"
"""Stands in a set of halls for every hall, also those that come later."""


class Permission(StrEnum):
    """One thing that somebody may do. Roles are sets of these; so are the scopes of API tokens."""

    SEE_HALL = "hall.see"
    SEE_MACHINES = "machines.see"
    SEND_COMMANDS = "machines.command"
    CONFIGURE_MACHINES = "machines.configure"
    SEE_FAULTS = "faults.see"
    ACT_ON_FAULTS = "faults.act"
    SERVE = "counters.serve"
    DECIDE_MOVES = "dispatch.decide"
    SEE_CASES = "cases.see"
    ACT_ON_CASES = "cases.act"
    SEE_RECORD = "record.see"
    SEE_AUDIT = "audit.see"
    ENROL_MACHINES = "machines.enrol"
    SEE_METRICS = "metrics.see"
    ADMINISTER = "administer"


Rights = Mapping[Permission, frozenset[str]]
"""Permission -> the halls that it holds for."""


@dataclass(frozen=True, slots=True)
class Caller:
    """``name`` is shown to the caller alone; ``csrf`` is what a form of the caller's session must bring back."""

    actor: Actor
    name: str = ""
    rights: Rights = field(default_factory=dict)
    csrf: str = ""

    def may(self, permission: Permission, hall: str = "") -> bool:
        """Whether the caller has a permission in ``hall``; without one: in any hall at all."""
        halls = self.rights.get(permission, frozenset())
        return bool(halls) if not hall else hall in halls or ALL_HALLS in halls


@dataclass(frozen=True, slots=True)
class Reach:
    """The halls that an answer may speak of."""

    halls: frozenset[str] = frozenset()

    @property
    def everywhere(self) -> bool:
        """Whether every hall is meant."""
        return ALL_HALLS in self.halls

    @property
    def only(self) -> Collection[str] | None:
        """The halls to which a list is limited; None: it is not."""
        return None if self.everywhere else sorted(self.halls)

    def __contains__(self, hall: str) -> bool:
        return self.everywhere or hall in self.halls


async def always() -> bool:
    """Nobody's right to be here ends."""
    return True


NOBODY = Caller(SYSTEM)
EVERYWHERE = Reach(frozenset({ALL_HALLS}))

CALLER: ContextVar[Caller] = ContextVar("hallfleet_caller", default=NOBODY)
"""Who sent the present request."""
REACH: ContextVar[Reach] = ContextVar("hallfleet_reach", default=Reach())  # noqa: B039 - frozen
"""What the present request may see, by the permission that its route asks for. Without a gate: nothing."""
STILL_HERE: ContextVar[Callable[[], Awaitable[bool]]] = ContextVar("hallfleet_still_here", default=always)
"""Asks anew whether the sender of the present request may stay: an answer that never ends asks now and then."""
