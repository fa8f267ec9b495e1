"""What dispatch looks at and what it proposes. Times are milliseconds since 1970 (UTC)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ProposalState(StrEnum):
    """Where a proposal stands. ``withdrawn``: the reason went away before anybody answered."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """One service as it stands now. ``open_counters`` call it, ``idle_counters`` of them have nobody in hand."""

    service: str
    name_zh: str
    name_en: str
    waiting: int
    target_s: int
    mean_service_s: int
    open_counters: int
    idle_counters: int


@dataclass(frozen=True, slots=True)
class CounterNow:
    """One counter as it stands now. ``skills`` are those of the clerk who sits there."""

    counter: str
    number: int
    is_open: bool
    busy: bool
    clerk: str
    clerk_name: str
    services: tuple[str, ...]
    skills: frozenset[str]


@dataclass(frozen=True, slots=True)
class HallNow:
    """A hall at one moment."""

    hall: str
    services: tuple[ServiceNow, ...]
    counters: tuple[CounterNow, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A move worth proposing, with the figures that it rests on. ``before_s`` None: nobody calls the service."""

    to: ServiceNow
    counter: CounterNow
    before_s: int | None
    after_s: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Let the clerk at ``counter`` also call ``to_service``. ``figures`` are what it rests on, ``outcome`` what came
    of it.
    """

    proposal_id: str
    hall: str
    counter: str
    clerk: str
    to_service: str
    reason_zh: str
    reason_en: str
    figures: Mapping[str, int | None]
    state: ProposalState
    made_ms: int
    expires_ms: int
    settled_ms: int | None = None
    outcome: Mapping[str, int | None] = field(default_factory=dict)
