"""The life of a counter as one table. The life of a ticket stands in ``device_profiles.hall.ticket_states``."""

from collections.abc import Mapping
from enum import StrEnum

from cloud.core.errors import Conflict
from cloud.queues.model import CounterState


class CounterStep(StrEnum):
    """What a clerk, or the end of the day, does to a counter."""

    OPEN = "open"
    PAUSE = "pause"
    CLOSE = "close"


FIRST = CounterState.CLOSED

TRANSITIONS: Mapping[tuple[CounterState, CounterStep], CounterState] = {
    (CounterState.CLOSED, CounterStep.OPEN): CounterState.OPEN,
    (CounterState.PAUSED, CounterStep.OPEN): CounterState.OPEN,
    (CounterState.OPEN, CounterStep.PAUSE): CounterState.PAUSED,
    (CounterState.OPEN, CounterStep.CLOSE): CounterState.CLOSED,
    (CounterState.PAUSED, CounterStep.CLOSE): CounterState.CLOSED,
}


def after(state: CounterState, step: CounterStep) -> CounterState:
    """The state after ``step``. Raises Conflict when the table does not hold it."""
    target = TRANSITIONS.get((state, step))
    if target is None:
        allowed = ", ".join(sorted(known for at, known in TRANSITIONS if at is state))
        raise Conflict(f"counter is {state}: {step} is not possible, only {allowed}")
    return target
