"""Evidence as data: what settles which command, and what it never claims."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.evidence import Counter, Position, Record, Verdict, applies, remembered
from device_profiles.capabilities.model import Effect, personal_fields

PAY = CAPABILITIES["payment"].commands["pay"].evidence
EVERY = [(kind, command) for kind in CAPABILITIES.values() for command in kind.commands.values() if command.evidence]


@pytest.mark.parametrize(("kind", "command"), EVERY, ids=[f"{kind.name}.{command.name}" for kind, command in EVERY])
def test_evidence_names_what_exists_and_nothing_personal(kind: Any, command: Any) -> None:
    evidence = command.evidence
    assert command.effect is Effect.ONCE
    assert set(evidence.only_if) <= set(command.args.model_fields)
    if isinstance(evidence, Record):
        asked = kind.commands[evidence.asked]
        assert asked.effect is Effect.READ
        assert {evidence.name, evidence.outcome, *evidence.same} <= set(asked.output.model_fields)
        assert not personal_fields(command.args) & set(evidence.same)
    else:
        assert evidence.status_field in kind.status.model_fields


@given(st.one_of(st.none(), st.integers()), st.one_of(st.none(), st.integers()))
def test_a_counter_proves_one_and_none_and_nothing_else(was: int | None, now: int | None) -> None:
    verdict = Counter("printed_total").judge({"printed_total": was}, {"printed_total": now})
    assert (verdict is Verdict.DONE) == (was is not None and now == was + 1)
    assert (verdict is Verdict.NOT_DONE) == (was is not None and now == was)


def test_a_position_proves_nothing_when_it_was_not_where_the_command_begins() -> None:
    place = Position("media", at=frozenset({"out"}), done=frozenset({"in"}), not_done=frozenset({"out"}))
    assert place.judge({"media": "in"}, {"media": "in"}) is Verdict.LOST
    assert place.judge({"media": "out"}, {"media": "in"}) is Verdict.DONE
    assert place.judge({"media": "out"}, {"media": "moving"}) is Verdict.OPEN


@pytest.mark.parametrize(
    ("last", "verdict"),
    [
        ({"outcome": "approved", "receipt": "0007", "amount_minor": 500}, Verdict.NOT_DONE),
        ({"outcome": "approved", "receipt": "0008", "amount_minor": 500}, Verdict.DONE),
        ({"outcome": "declined", "receipt": "0008", "amount_minor": 500}, Verdict.NOT_DONE),
        ({"outcome": "approved", "receipt": "0008", "amount_minor": 900}, Verdict.LOST),
        ({}, Verdict.OPEN),
    ],
)
def test_a_payment_is_settled_by_the_terminals_own_record(last: dict[str, Any], verdict: Verdict) -> None:
    assert PAY is not None
    before = remembered(PAY, {"receipt": "0007", "outcome": "approved", "amount_minor": 500}, {"amount_minor": 500})
    assert before == {"receipt": "0007", "args.amount_minor": 500}
    assert PAY.judge(before, last) is verdict


def test_a_print_without_a_cut_is_not_counted() -> None:
    evidence = CAPABILITIES["printer"].commands["print"].evidence
    assert applies(evidence, {"cut": True})
    assert not applies(evidence, {"cut": False})
