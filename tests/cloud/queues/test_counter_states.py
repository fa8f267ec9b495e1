import pytest

from cloud.queues.model import CounterState
from cloud.queues.states import FIRST, TRANSITIONS, CounterStep


def test_every_counter_state_is_reached_and_left() -> None:
    assert {FIRST} | set(TRANSITIONS.values()) == set(CounterState)
    assert {state for state, _ in TRANSITIONS} == set(CounterState)


@pytest.mark.parametrize("step", list(CounterStep))
def test_every_step_is_possible_somewhere(step: CounterStep) -> None:
    assert any(known is step for _, known in TRANSITIONS)
