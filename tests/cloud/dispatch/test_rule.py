"""The rule alone: who is moved, and why."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cloud.dispatch.model import CounterNow, HallNow, ProposalState, ServiceNow
from cloud.dispatch.states import FIRST, TRANSITIONS
from cloud.dispatch.states.idle_donor import candidates, needy, reasons

PRESSED = ServiceNow("exit-entry", "出入境业务", "Exit and entry", 16, 660, 420, 1, 0)
QUIET = ServiceNow("household", "户籍业务", "Household registration", 0, 660, 480, 2, 2)
DONOR = CounterNow("c1", 1, True, False, "w1", "林晓禾", ("household",), frozenset({"household", "exit-entry"}))
BUSY = CounterNow("c3", 3, True, True, "w3", "苏念真", ("exit-entry",), frozenset({"exit-entry"}))
HALL = HallNow("demo-hall", (QUIET, PRESSED), (DONOR, BUSY))


def with_donor(**changes: object) -> HallNow:
    return replace(HALL, counters=(replace(DONOR, **changes), BUSY))  # type: ignore[arg-type]


def test_an_idle_skilled_clerk_is_proposed_for_the_pressed_service() -> None:
    (found,) = candidates(HALL, (), ())
    assert (found.counter.counter, found.to.service) == ("c1", "exit-entry")
    assert found.before_s is not None
    assert found.after_s < found.before_s


def test_the_reason_names_the_figures_in_both_languages() -> None:
    (found,) = candidates(HALL, (), ())
    zh, en = reasons(found)
    assert "16 人等候" in zh
    assert "林晓禾" in zh
    assert "Exit and entry: 16 waiting, expected wait" in en
    assert "target 11 min" in en
    assert "counter 1" in en


def test_nobody_is_moved_without_need_or_from_work() -> None:
    assert candidates(replace(HALL, services=(QUIET, replace(PRESSED, waiting=1, mean_service_s=300))), (), ()) == []
    assert candidates(with_donor(busy=True), (), ()) == []
    assert candidates(with_donor(is_open=False), (), ()) == []
    assert candidates(with_donor(skills=frozenset({"household"})), (), ()) == []
    assert candidates(with_donor(services=("household", "exit-entry")), (), ()) == []
    assert candidates(replace(HALL, services=(replace(QUIET, waiting=1), PRESSED)), (), ()) == []


def test_a_resting_counter_and_a_service_that_was_asked_for_are_left_alone() -> None:
    assert candidates(HALL, {"c1"}, ()) == []
    assert candidates(HALL, (), {"exit-entry"}) == []


def test_a_service_that_nobody_calls_is_the_neediest() -> None:
    unserved = replace(QUIET, service="social-insurance", waiting=1, open_counters=0, idle_counters=0)
    assert [service.service for service in needy(replace(HALL, services=(PRESSED, unserved)))] == [
        "social-insurance", "exit-entry",
    ]  # fmt: skip


services = st.builds(
    ServiceNow,
    st.sampled_from("abcd"), st.just("甲"), st.just("A"), st.integers(0, 40), st.integers(60, 1200),
    st.integers(60, 1200), st.integers(0, 5), st.just(0),
)  # fmt: skip
counters = st.builds(
    CounterNow,
    st.sampled_from(["c1", "c2", "c3", "c4"]), st.integers(1, 9), st.booleans(), st.booleans(), st.just("w"),
    st.just("员"), st.tuples(st.sampled_from("abcd")), st.frozensets(st.sampled_from("abcd")),
)  # fmt: skip
halls = st.builds(
    HallNow,
    st.just("h"),
    st.lists(services, unique_by=lambda one: one.service).map(tuple),
    st.lists(counters, unique_by=lambda one: one.counter).map(tuple),
)


@given(halls)
def test_every_move_helps_and_uses_a_counter_and_a_service_once(hall: HallNow) -> None:
    found = candidates(hall, (), ())
    assert len({move.counter.counter for move in found}) == len({move.to.service for move in found}) == len(found)
    for move in found:
        assert move.to.service in move.counter.skills
        assert not move.counter.busy
        assert move.before_s is None or move.after_s < move.before_s


def test_every_proposal_state_is_reached_and_only_open_ones_are_left() -> None:
    assert {FIRST} | set(TRANSITIONS.values()) == set(ProposalState)
    assert {state for state, _ in TRANSITIONS} == {FIRST}
