"""What an alert is. Times are milliseconds since 1970 (UTC)."""

from dataclasses import dataclass
from enum import StrEnum


class AlertState(StrEnum):
    """Where an alert stands."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SHELVED = "shelved"
    CLOSED = "closed"


class Who(StrEnum):
    """Who must act."""

    HALL_STAFF = "hall_staff"
    CREW = "crew"
    OPERATOR = "operator"
    NOBODY_YET = "nobody_yet"
    WAIT = "wait"


class Severity(StrEnum):
    """``warning``: it still serves; ``fault``: it does not."""

    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Alert:
    """One fault of one status field. ``evidence`` is the id of the fact that closed it, or ``person``."""

    alert_id: str
    hall: str
    machine: str
    slot: str
    field: str
    code: str
    action: str
    who: Who
    severity: Severity
    state: AlertState
    count: int
    opened_ms: int
    last_ms: int
    opened_by: str
    closed_ms: int | None = None
    evidence: str = ""
    shelved_until_ms: int | None = None
