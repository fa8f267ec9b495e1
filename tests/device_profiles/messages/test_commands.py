"""Commands, results, acknowledgement and replay: MSG-21 to MSG-23."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.errors import MessageError
from device_profiles.messages.body import MAX_INTEGER
from device_profiles.messages.command import Ack, CommandBody, CommandError, Outcome, Replay, ResultBody

COMMAND = {"command_id": "c1", "name": "print", "start_by": "2026-03-02T01:00:00Z", "run_for_s": 30}


@given(st.floats(0.001, 3600), st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC)))
def test_msg_21_a_command_survives_the_wire(run_for_s: float, start_by: datetime) -> None:
    command = CommandBody(command_id="c1", name="print", start_by=start_by, run_for_s=run_for_s, flow_id="f1")
    assert CommandBody.from_bytes(command.to_bytes()) == command


@pytest.mark.parametrize("wrong", [{"command_id": ""}, {"run_for_s": 0}, {"run_for_s": 3600.5}, {"name": "Print!"}])
def test_msg_21_a_command_outside_the_limits_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MessageError, match=f"CommandBody: {next(iter(wrong))}"):
        CommandBody.from_bytes(json.dumps({**COMMAND, **wrong}).encode())


@pytest.mark.parametrize("field", sorted(COMMAND))
def test_msg_21_a_command_without_one_of_its_fields_is_refused(field: str) -> None:
    rest = {name: value for name, value in COMMAND.items() if name != field}
    with pytest.raises(MessageError, match=f"CommandBody: {field}: Field required"):
        CommandBody.from_bytes(json.dumps(rest).encode())


@pytest.mark.parametrize("outcome", Outcome)
def test_msg_22_a_result_survives_the_wire(outcome: Outcome) -> None:
    error = CommandError(code="paper_out", action="clear")
    result = ResultBody(command_id="c1", outcome=outcome, output={"taken": True}, error=error)
    assert ResultBody.from_bytes(result.to_bytes()) == result


def test_msg_22_another_outcome_is_refused() -> None:
    assert set(Outcome) == {"succeeded", "failed", "refused", "expired", "unknown"}
    with pytest.raises(MessageError, match="outcome"):
        ResultBody.from_bytes(b'{"command_id":"c1","outcome":"perhaps"}')


@given(st.integers(1, MAX_INTEGER), st.integers(1, MAX_INTEGER), st.integers(1, MAX_INTEGER))
def test_msg_23_a_replay_names_its_range_as_the_contract_does(epoch: int, one: int, other: int) -> None:
    replay = Replay.model_validate({"epoch": epoch, "from": min(one, other), "to": max(one, other)})
    assert json.loads(replay.to_bytes()) == {"epoch": epoch, "from": min(one, other), "to": max(one, other)}
    assert Replay.from_bytes(replay.to_bytes()) == replay


@pytest.mark.parametrize(("first", "last"), [(5, 4), (0, 4), (-1, 4)])
def test_msg_23_a_range_that_is_none_is_refused(first: int, last: int) -> None:
    with pytest.raises(MessageError, match="Replay"):
        Replay.from_bytes(json.dumps({"epoch": 1, "from": first, "to": last}).encode())


def test_msg_23_an_acknowledgement_may_say_nothing_yet() -> None:
    assert Ack.from_bytes(Ack(epoch=1, sequence=0).to_bytes()).sequence == 0
    with pytest.raises(MessageError, match="sequence"):
        Ack.from_bytes(b'{"epoch":1,"sequence":-1}')
