import pytest

from device_profiles.errors import HallRuleError
from device_profiles.hall.ticket_states import (
    ENDS,
    FIRST,
    TRANSITIONS,
    Actor,
    TicketState,
    TicketStep,
    after,
)


def reachable() -> set[TicketState]:
    seen, todo = {FIRST}, [FIRST]
    while todo:
        state = todo.pop()
        targets = {transition.target for (source, _), transition in TRANSITIONS.items() if source is state}
        todo.extend(targets - seen)
        seen |= targets
    return seen


def test_every_state_can_be_reached() -> None:
    assert reachable() == set(TicketState)


@pytest.mark.parametrize("state", sorted(set(TicketState) - ENDS))
def test_every_state_but_the_ends_can_be_left(state: TicketState) -> None:
    assert any(source is state and change.target is not state for (source, _), change in TRANSITIONS.items())


@pytest.mark.parametrize("state", sorted(ENDS))
def test_no_step_leaves_an_end(state: TicketState) -> None:
    assert not [step for source, step in TRANSITIONS if source is state]


@pytest.mark.parametrize("step", list(TicketStep))
def test_every_step_is_possible_somewhere(step: TicketStep) -> None:
    assert any(known is step for _, known in TRANSITIONS)


def test_the_usual_visit_ends_done() -> None:
    state = FIRST
    for step in (TicketStep.CALL, TicketStep.RECALL, TicketStep.START, TicketStep.FINISH):
        state = after(state, step, Actor.CLERK)
    assert state is TicketState.DONE


def test_a_missed_citizen_may_be_called_again() -> None:
    assert after(TicketState.NO_SHOW, TicketStep.RECALL, Actor.CLERK) is TicketState.CALLED


def test_a_wrong_step_says_what_would_be_possible() -> None:
    with pytest.raises(HallRuleError, match=r"ticket is serving: call is not possible, only end_day, finish"):
        after(TicketState.SERVING, TicketStep.CALL, Actor.CLERK)


def test_a_citizen_cannot_call_themselves() -> None:
    with pytest.raises(HallRuleError, match="call is for clerk, not citizen"):
        after(TicketState.WAITING, TicketStep.CALL, Actor.CITIZEN)
