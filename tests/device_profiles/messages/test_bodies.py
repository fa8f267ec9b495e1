"""Every body: MSG-06 to MSG-14."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from device_profiles.errors import MessageError
from device_profiles.messages.body import MAX_BODY_BYTES, Body, read_data
from device_profiles.messages.command import Ack, CommandBody, Replay, ResultBody
from device_profiles.messages.envelope import Envelope, envelope, read_envelopes
from device_profiles.messages.facts import TicketIssued
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.presence import CloudPresence, Presence
from device_profiles.messages.twin import DesiredAgent, Twin

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
BODIES: list[type[Body]] = [
    Ack, CloudPresence, CommandBody, DesiredAgent, Envelope, Inventory, Presence, Replay, ResultBody, Twin,
]  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(sorted({name for body in BODIES for name in body.model_fields} | {"from"}))
objects = st.dictionaries(fields, json_values, max_size=8)


def command(**changes: object) -> dict[str, Any]:
    body = {"command_id": "c1", "name": "print", "start_by": "2026-03-02T01:00:00Z", "run_for_s": 30}
    return {**body, **changes}


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def read_anything(payload: bytes) -> None:
    for body in BODIES:
        try:
            body.from_bytes(payload)
        except MessageError:
            continue
    try:
        read_envelopes(payload)
    except MessageError:
        return


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff\xfe")
@example(b"\xef\xbb\xbf{}")
@example(b'{"version":1,"values":{"a":"\xff"}}')
@example(b'{"version":1,"values":{"a":"\\ud800"}}')
@example(b"[" * 60_000)
@example(b'{"version":1,"values":' + b'{"a":' * 9_000 + b"1" + b"}" * 9_001)
@example(b'{"version":' + b"9" * 5_000 + b"}")
@example(b'{"version":1,"values":{"a":' + b"9" * 4_000 + b"}}")
@example(b'{"version":1e400}')
@example(b"null")
@example(b'[{"sequence":null}]')
@example('{"version":1}'.encode("utf-16"))
def test_msg_06_any_bytes_give_a_message_or_a_message_error(payload: bytes) -> None:
    read_anything(payload)


@given(json_values | objects | st.lists(objects, max_size=3))
def test_msg_06_any_json_gives_a_message_or_a_message_error(value: object) -> None:
    read_anything(encode(value))


@given(objects)
def test_msg_06_any_data_of_a_fact_gives_its_shape_or_a_message_error(data: dict[str, Any]) -> None:
    try:
        ticket = read_data(TicketIssued, data)
    except MessageError:
        return
    assert ticket.ticket_id == data["ticket_id"]


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(
        lambda name: name not in CommandBody.model_fields
    ),
    json_values,
)
def test_msg_07_readers_ignore_unknown_fields(name: str, value: object) -> None:
    payload = encode(command(**{name: 1}))
    assert CommandBody.from_bytes(payload) == CommandBody.from_bytes(encode(command()))
    assert read_data(Ack, {"epoch": 1, "sequence": 2, "later": value}) == Ack(epoch=1, sequence=2)


def test_msg_07_unknown_fields_are_ignored_at_every_depth() -> None:
    slot = {"profile": "p", "capability": "printer", "colour": "blue"}
    body = {"machine_profile": "kiosk", "digest": "d", "slots": {"printer": slot}}
    assert Inventory.from_bytes(encode(body)).slots["printer"].profile == "p"


@pytest.mark.parametrize("body", BODIES)
def test_msg_08_writers_refuse_unknown_fields(body: type[Body]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        body.model_validate({"no_such_field": 1})


def test_msg_09_a_longer_body_is_refused_by_reader_and_writer() -> None:
    with pytest.raises(MessageError, match="expected at most 65536 bytes, got 65537"):
        Twin.from_bytes(b" " * (MAX_BODY_BYTES + 1))
    with pytest.raises(MessageError, match="expected at most 65534 bytes"):
        Twin(version=1, values={"text": "x" * MAX_BODY_BYTES}).to_bytes()


def test_msg_09_the_longest_body_passes() -> None:
    empty = len(Twin(version=1, values={"text": ""}).to_bytes())
    twin = Twin(version=1, values={"text": "x" * (MAX_BODY_BYTES - 2 - empty)})
    assert Twin.from_bytes(twin.to_bytes()) == twin


@pytest.mark.parametrize(
    "value",
    [
        *("NaN", "Infinity", "-Infinity", "1e400", "-1.5E+999", "1" * 400 + ".0", "9" * 300),
        *("9223372036854775808", "-9223372036854775809"),
        *(r'"a\u0000"', r'{"a\u0000": 1}', r'["\u0000"]'),
    ],
)
def test_msg_10_values_that_no_database_keeps_are_refused_when_read(value: str) -> None:
    with pytest.raises(MessageError):
        Twin.from_bytes(f'{{"version": 1, "values": {{"a": {value}}}}}'.encode())


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        -(2**63) - 1,
        2**63,
        pytest.param(10**5000, id="5001 digits"),
        "a\0",
        ["\0"],
        "\ud800",
        object(),
    ],
)
def test_msg_10_values_that_no_database_keeps_are_refused_when_written(value: object) -> None:
    with pytest.raises(MessageError):
        Twin(version=1, values={"a": value}).to_bytes()


@pytest.mark.parametrize("text", ["NaN", "Infinity", r"\u0000", "1e999", "9" * 30, "281234567890123456"])
def test_msg_10_the_same_signs_inside_a_text_are_no_harm(text: str) -> None:
    twin = Twin(version=1, values={"a": text, "largest": 2**63 - 1, "least": -(2**63) + 1})
    assert Twin.from_bytes(twin.to_bytes()) == twin


@pytest.mark.parametrize(
    "wrong", [{"run_for_s": "30"}, {"run_for_s": True}, {"name": 5}, {"start_by": 1772413200}, {"args": []}]
)
def test_msg_11_values_of_another_type_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MessageError, match=next(iter(wrong))):
        CommandBody.from_bytes(encode(command(**wrong)))


def test_msg_11_a_switch_is_not_read_from_a_number() -> None:
    fact = json.loads(envelope("kiosk-1", "agent", "ticket.issued", {}, at=NOW, epoch=1, sequence=1).to_bytes())
    with pytest.raises(MessageError, match="historical"):
        Envelope.from_bytes(encode({**fact, "historical": 1}))


def test_msg_12_the_last_of_two_equal_keys_counts() -> None:
    assert Ack.from_bytes(b'{"epoch":1,"sequence":5,"sequence":6}').sequence == 6


@pytest.mark.parametrize(
    "time", ["2026-03-02T09:00:00+08:00", "2026-03-02T01:00:00", "2026-03-02", "1772413200", "now"]
)
def test_msg_13_times_that_are_not_utc_are_refused(time: str) -> None:
    with pytest.raises(MessageError, match="start_by"):
        CommandBody.from_bytes(encode(command(start_by=time)))


def test_msg_13_writers_keep_to_utc_too() -> None:
    with pytest.raises(ValidationError, match="expected UTC"):
        Presence(state="online", epoch=1, agent_version="1", since=NOW.astimezone(timezone(timedelta(hours=8))))
    assert b'"2026-03-02T01:00:00Z"' in Presence(state="online", epoch=1, agent_version="1", since=NOW).to_bytes()


@pytest.mark.parametrize("field", ["command_id", "name", "args", "start_by", "run_for_s", "flow_id"])
def test_msg_14_errors_name_the_field_and_never_show_the_value(field: str) -> None:
    secret = "000000199001010018"
    wrong: object = [secret] if field in ("command_id", "flow_id") else secret
    with pytest.raises(MessageError) as caught:
        CommandBody.from_bytes(encode(command(**{field: wrong})))
    assert f"CommandBody: {field}" in str(caught.value)
    assert secret not in str(caught.value)


def test_an_error_says_how_many_more_there_are() -> None:
    with pytest.raises(MessageError, match=r"\(\+1 more\)"):
        Ack.from_bytes(b"{}")
