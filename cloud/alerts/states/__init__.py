"""The life of an alert as one table."""

from collections.abc import Mapping
from enum import StrEnum

from cloud.alerts.model import AlertState
from cloud.core.errors import Conflict


class AlertStep(StrEnum):
    """What happens to an alert. ``worsen``: the device reports a worse fault; ``wake``: the shelf's time is over."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    WAKE = "wake"
    WORSEN = "worsen"
    CLOSE = "close"


FIRST = AlertState.OPEN
ENDS = frozenset({AlertState.CLOSED})

TRANSITIONS: Mapping[tuple[AlertState, AlertStep], AlertState] = {
    (AlertState.OPEN, AlertStep.ACKNOWLEDGE): AlertState.ACKNOWLEDGED,
    (AlertState.OPEN, AlertStep.SHELVE): AlertState.SHELVED,
    (AlertState.OPEN, AlertStep.WORSEN): AlertState.OPEN,
    (AlertState.OPEN, AlertStep.CLOSE): AlertState.CLOSED,
    (AlertState.ACKNOWLEDGED, AlertStep.SHELVE): AlertState.SHELVED,
    (AlertState.ACKNOWLEDGED, AlertStep.WORSEN): AlertState.OPEN,
    (AlertState.ACKNOWLEDGED, AlertStep.CLOSE): AlertState.CLOSED,
    (AlertState.SHELVED, AlertStep.ACKNOWLEDGE): AlertState.ACKNOWLEDGED,
    (AlertState.SHELVED, AlertStep.WAKE): AlertState.OPEN,
    (AlertState.SHELVED, AlertStep.WORSEN): AlertState.OPEN,
    (AlertState.SHELVED, AlertStep.CLOSE): AlertState.CLOSED,
}


def after(state: AlertState, step: AlertStep) -> AlertState:
    """The state after ``step``. Raises Conflict when the table does not hold it."""
    target = TRANSITIONS.get((state, step))
    if target is None:
        allowed = ", ".join(sorted(known for at, known in TRANSITIONS if at is state)) or "nothing"
        raise Conflict(f"alert is {state}: {step} is not possible, only {allowed}")
    return target
