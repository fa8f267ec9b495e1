"""The life of a ticket as one table: which step leads where, and who may take it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from device_profiles.errors import HallRuleError


class TicketState(StrEnum):
    """Where a ticket stands."""

    WAITING = "waiting"
    CALLED = "called"
    SERVING = "serving"
    DONE = "done"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"


class TicketStep(StrEnum):
    """What can happen to a ticket."""

    CALL = "call"
    RECALL = "recall"
    START = "start"
    FINISH = "finish"
    NO_SHOW = "no_show"
    CANCEL = "cancel"
    END_DAY = "end_day"


class Actor(StrEnum):
    """Who takes a step. ``hall`` is the hall itself, when its day ends."""

    CITIZEN = "citizen"
    CLERK = "clerk"
    HALL = "hall"


@dataclass(frozen=True, slots=True)
class Transition:
    """Where a step leads and who may take it."""

    target: TicketState
    actors: frozenset[Actor]


def _to(target: TicketState, *actors: Actor) -> Transition:
    return Transition(target, frozenset(actors))


FIRST = TicketState.WAITING
ENDS = frozenset({TicketState.DONE, TicketState.CANCELLED})
"""States that no step leaves."""

OVER = ENDS | {TicketState.NO_SHOW}
"""States in which nobody waits or is served; a missed citizen may still be called again on the same day."""

TRANSITIONS: Mapping[tuple[TicketState, TicketStep], Transition] = {
    (TicketState.WAITING, TicketStep.CALL): _to(TicketState.CALLED, Actor.CLERK),
    (TicketState.WAITING, TicketStep.CANCEL): _to(TicketState.CANCELLED, Actor.CITIZEN, Actor.CLERK),
    (TicketState.WAITING, TicketStep.END_DAY): _to(TicketState.CANCELLED, Actor.HALL),
    (TicketState.CALLED, TicketStep.RECALL): _to(TicketState.CALLED, Actor.CLERK),
    (TicketState.CALLED, TicketStep.START): _to(TicketState.SERVING, Actor.CLERK),
    (TicketState.CALLED, TicketStep.NO_SHOW): _to(TicketState.NO_SHOW, Actor.CLERK),
    (TicketState.CALLED, TicketStep.CANCEL): _to(TicketState.CANCELLED, Actor.CITIZEN, Actor.CLERK),
    (TicketState.CALLED, TicketStep.END_DAY): _to(TicketState.NO_SHOW, Actor.HALL),
    (TicketState.SERVING, TicketStep.FINISH): _to(TicketState.DONE, Actor.CLERK),
    (TicketState.SERVING, TicketStep.END_DAY): _to(TicketState.DONE, Actor.HALL),
    (TicketState.NO_SHOW, TicketStep.RECALL): _to(TicketState.CALLED, Actor.CLERK),
    (TicketState.NO_SHOW, TicketStep.CANCEL): _to(TicketState.CANCELLED, Actor.CITIZEN, Actor.CLERK),
}


def after(state: TicketState, step: TicketStep, actor: Actor) -> TicketState:
    """The state after ``step``. Raises HallRuleError when the table or the actor does not allow it."""
    transition = TRANSITIONS.get((state, step))
    if transition is None:
        allowed = ", ".join(sorted(known for at, known in TRANSITIONS if at is state)) or "nothing"
        raise HallRuleError(f"ticket is {state}: {step} is not possible, only {allowed}")
    if actor not in transition.actors:
        raise HallRuleError(f"ticket is {state}: {step} is for {', '.join(sorted(transition.actors))}, not {actor}")
    return transition.target
