"""What a message may be, and what is said about one that may not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.fleet.model import Register
from cloud.ingest.reading import Announced, Arrived, Refused, read_message
from device_profiles.catalog import load_catalog
from device_profiles.messages.topics import Up
from tests.builders.facts import Sender, changed

REGISTER = Register(load_catalog(), ["demo-hall"])
KIOSK = Sender("kiosk-1")


def only(message: tuple[str, bytes]) -> Refused | Announced | Arrived:
    (item,) = read_message(*message, REGISTER)
    return item


def refusal(message: tuple[str, bytes]) -> str | None:
    item = only(message)
    if isinstance(item, Refused):
        return item.reason
    return item.refusal if isinstance(item, Arrived) else None


@pytest.mark.parametrize(
    "message",
    [
        KIOSK.event("printer.paper_low", {}, slot="printer"),
        KIOSK.event("ticket.issued"),
        KIOSK.event("session.started", slot="screen"),
        KIOSK.event("screen.device_online", slot="screen"),
        KIOSK.event("agent.dropped"),
        KIOSK.result({}, slot="printer"),
        KIOSK.telemetry(),
        KIOSK.presence(),
    ],
)
def test_what_a_machine_may_say(message: tuple[str, bytes]) -> None:
    assert refusal(message) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (("hallfleet/v1/zz", b"{}"), "topic: expected"),
        ((KIOSK.topic(Up.EVENT).replace("/up/event", "/down/command"), b"{}"), "expected a machine's up topic"),
        (Sender("stranger-9").presence(), "not one of the halls"),
        ((KIOSK.topic(Up.EVENT, "cellar"), b"{}"), "no slot 'cellar'"),
        ((KIOSK.topic(Up.EVENT), b"not json"), "Envelope"),
        ((KIOSK.topic(Up.EVENT), b""), "Envelope"),
        ((KIOSK.topic(Up.EVENT), b"[]"), "at least 1 item"),
        ((KIOSK.topic(Up.PRESENCE), b'{"state": "asleep"}'), "Presence"),
        ((KIOSK.topic(Up.PRESENCE, "printer"), KIOSK.presence()[1]), "belongs to slot 'agent'"),
        ((KIOSK.topic(Up.EVENT), Sender("kiosk-2").event("ticket.issued")[1]), "expected machine kiosk-1"),
        (KIOSK.event("printer.paper_low", slot="cellar"), "no slot"),
        (KIOSK.event("card_reader.media_jammed", slot="printer"), "another slot's"),
        (KIOSK.event("command.settled"), "not a machine's"),
        (KIOSK.event("machine.online"), "not a machine's"),
        (KIOSK.event("ticket.issued", slot="printer"), "not a machine's"),
        ((KIOSK.topic(Up.EVENT, "printer"), KIOSK.result({}, slot="printer")[1]), "does not belong to event"),
        ((KIOSK.topic(Up.RESULT), KIOSK.event("ticket.issued")[1]), "does not belong to result"),
        ((KIOSK.topic(Up.TELEMETRY), KIOSK.event("ticket.issued")[1]), "does not belong to telemetry"),
        ((KIOSK.topic(Up.EVENT), KIOSK.telemetry()[1]), "does not belong to event"),
    ],
)
def test_what_is_refused_and_why(message: tuple[str, bytes], reason: str) -> None:
    items = read_message(*message, REGISTER)
    assert all(isinstance(item, Refused) or (isinstance(item, Arrived) and item.refusal) for item in items)
    assert reason in " ".join(item.reason if isinstance(item, Refused) else str(item.refusal) for item in items)  # type: ignore[union-attr]


def test_a_broken_fact_still_tells_its_number() -> None:
    item = only(changed(Sender("kiosk-1").event("ticket.issued"), time="yesterday"))
    assert isinstance(item, Arrived)
    assert (item.machine, item.epoch, item.sequence) == ("kiosk-1", 1, 1)
    assert item.refusal is not None
    assert "time" in item.refusal


def test_one_broken_fact_does_not_spoil_its_batch() -> None:
    kiosk = Sender("kiosk-1")
    facts = [json.loads(kiosk.envelope("ticket.issued").to_bytes()) for _ in range(3)]
    facts[1]["type"] = "UPPER"
    items = read_message(kiosk.topic(Up.EVENT), json.dumps(facts).encode(), REGISTER)
    assert [(item.sequence, item.refusal is None) for item in items if isinstance(item, Arrived)] == [
        (1, True), (2, False), (3, True),
    ]  # fmt: skip


def test_a_number_of_another_machine_is_not_taken() -> None:
    item = only(changed(KIOSK.event("ticket.issued"), id="ticket-1/1/5"))
    assert isinstance(item, Refused)


@given(st.sampled_from([KIOSK.topic(verb) for verb in Up] + ["", "a/b", "\0"]), st.binary(max_size=200))
def test_no_bytes_can_make_it_raise(topic: str, payload: bytes) -> None:
    read_message(topic, payload, REGISTER)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda below: st.lists(below) | st.dictionaries(st.sampled_from(["id", "type", "data", "source"]), below),
    )
)
def test_no_json_can_make_it_raise(value: object) -> None:
    payload = json.dumps(value).encode()
    for verb in Up:
        read_message(KIOSK.topic(verb), payload, REGISTER)
