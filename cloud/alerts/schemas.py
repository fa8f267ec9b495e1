"""HTTP bodies of alerts."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from cloud.alerts.model import Alert, AlertState, Severity, Who
from cloud.alerts.states.advice import advice_for
from cloud.core.clock import from_ms


class ShelveAlert(BaseModel):
    """For how long the alert is put away."""

    model_config = ConfigDict(extra="forbid")

    minutes: int = Field(default=30, ge=1, le=7 * 24 * 60)


class AlertView(BaseModel):
    """One fault. ``evidence``: the id of the fact that closed it, or ``person``; empty while it is not closed."""

    id: str
    hall: str
    machine: str
    slot: str
    field: str
    code: str = Field(description="XFS word, such as paper_out")
    action: str = Field(description="XFS word: reset, clear, maintenance, configuration, software_error, suspend")
    who: Who
    severity: Severity
    state: AlertState
    count: int = Field(description="how often the device has reported it")
    since: datetime
    last_at: datetime
    closed_at: datetime | None
    shelved_until: datetime | None
    opened_by: str = Field(description="id of the fact that opened it")
    evidence: str
    advice_zh: str
    advice_en: str


class AlertPage(BaseModel):
    """A page of alerts, the newest first; ``next`` is the cursor of the following page."""

    items: list[AlertView]
    next: str | None


def alert_view(alert: Alert) -> AlertView:
    """An alert as HTTP shows it."""
    advice = advice_for(alert.code, alert.who)
    return AlertView(
        id=alert.alert_id,
        hall=alert.hall,
        machine=alert.machine,
        slot=alert.slot,
        field=alert.field,
        code=alert.code,
        action=alert.action,
        who=alert.who,
        severity=alert.severity,
        state=alert.state,
        count=alert.count,
        since=from_ms(alert.opened_ms),
        last_at=from_ms(alert.last_ms),
        closed_at=None if alert.closed_ms is None else from_ms(alert.closed_ms),
        shelved_until=None if alert.shelved_until_ms is None else from_ms(alert.shelved_until_ms),
        opened_by=alert.opened_by,
        evidence=alert.evidence,
        advice_zh=advice.zh,
        advice_en=advice.en,
    )
