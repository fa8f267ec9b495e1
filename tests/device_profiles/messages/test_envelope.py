"""The envelope and batches: MSG-15 to MSG-20."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities import CAPABILITIES
from device_profiles.errors import MessageError
from device_profiles.messages.envelope import (
    MAX_BATCH_BYTES,
    MAX_SEQUENCE,
    Envelope,
    canonical_json,
    envelope,
    read_envelopes,
    split_batches,
    write_batch,
)

NOW = datetime(2026, 3, 2, 1, 0, 0, 250_000, tzinfo=UTC)
plain_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.integers(-MAX_SEQUENCE, MAX_SEQUENCE) | st.floats(allow_nan=False, allow_infinity=False) | plain_text
envelopes = st.builds(
    envelope,
    st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True),
    st.from_regex(r"[a-z0-9_]{1,40}", fullmatch=True),
    st.sampled_from(sorted(fact for capability in CAPABILITIES.values() for fact in capability.facts())),
    st.dictionaries(plain_text, st.none() | values | st.lists(values, max_size=3), max_size=4),
    at=st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    epoch=st.integers(1, MAX_SEQUENCE),
    sequence=st.integers(1, MAX_SEQUENCE),
)


def fact(sequence: int = 1, **data: object) -> Envelope:
    return envelope("kiosk-1", "printer", "printer.paper_low", data, at=NOW, epoch=3, sequence=sequence)


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(fact(7).to_bytes()), **fields}).encode()


@given(envelopes)
def test_msg_15_an_envelope_survives_the_wire(item: Envelope) -> None:
    assert read_envelopes(item.to_bytes()) == [item]
    assert item.id == f"{item.machine}/{item.epoch}/{item.number}"
    assert item.source == f"/machines/{item.machine}/{item.slot}"


@pytest.mark.parametrize(
    "wrong",
    [{"id": "kiosk-2/3/7"}, {"id": "kiosk-1/3/8"}, {"epoch": 4}, {"source": "/machines/kiosk-2/printer"}, {"id": ""}],
)
def test_msg_15_an_id_that_does_not_agree_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(MessageError, match="id: expected kiosk-"):
        read_envelopes(changed(**wrong))


@pytest.mark.parametrize("source", ["/machines/kiosk-1", "kiosk-1/printer", "/machines/-a/b", "/machines/a/b/c", ""])
def test_msg_15_a_source_of_another_form_is_refused(source: str) -> None:
    with pytest.raises(MessageError, match="source"):
        read_envelopes(changed(source=source))


@pytest.mark.parametrize("sequence", ["0", "-1", "07", "", "9223372036854775808", "1e3", "٣", 7, None])
def test_msg_16_other_sequences_are_refused(sequence: object) -> None:
    with pytest.raises(MessageError, match="sequence"):
        read_envelopes(changed(sequence=sequence, id=f"kiosk-1/3/{sequence}"))


@pytest.mark.parametrize("epoch", [0, -1, 2**63, 1.5, "3", None])
def test_msg_16_other_epochs_are_refused(epoch: object) -> None:
    with pytest.raises(MessageError, match="epoch"):
        read_envelopes(changed(epoch=epoch, id=f"kiosk-1/{epoch}/7"))


def test_msg_16_the_largest_sequence_and_epoch_pass() -> None:
    item = envelope("m", "agent", "ticket.issued", {}, at=NOW, epoch=MAX_SEQUENCE, sequence=MAX_SEQUENCE)
    assert read_envelopes(item.to_bytes()) == [item]


@pytest.mark.parametrize("name", sorted(CAPABILITIES))
def test_msg_17_every_fact_of_every_capability_has_a_type_that_passes(name: str) -> None:
    facts = CAPABILITIES[name].facts()
    assert f"{name}.device_offline" in facts
    for fact_type in facts:
        assert envelope("m", "agent", fact_type, {}, at=NOW, epoch=1, sequence=1).type == fact_type


@pytest.mark.parametrize("fact_type", ["", "printer", "printer.", ".paper", "Printer.paper", "a.b.c", "printer.a b"])
def test_msg_17_types_of_another_form_are_refused(fact_type: str) -> None:
    with pytest.raises(MessageError, match="type"):
        read_envelopes(changed(type=fact_type))


@given(st.lists(envelopes, min_size=1, max_size=5))
def test_msg_18_a_batch_survives_the_wire(items: list[Envelope]) -> None:
    assert read_envelopes(write_batch(item.to_bytes() for item in items)) == items


@pytest.mark.parametrize("payload", [b"[]", b"[null]", b"[{}]", b"[1]", b"[[]]"])
def test_msg_18_an_empty_or_broken_batch_is_refused(payload: bytes) -> None:
    with pytest.raises(MessageError, match="batch"):
        read_envelopes(payload)


def test_msg_18_one_wrong_member_refuses_the_whole_batch() -> None:
    with pytest.raises(MessageError, match=r"batch: 1\.specversion"):
        read_envelopes(write_batch([fact(1).to_bytes(), changed(specversion="0.3")]))


def test_msg_18_unknown_fields_of_a_member_are_ignored() -> None:
    assert read_envelopes(write_batch([changed(traceparent="00-1")])) == [fact(7)]


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(62, 200))
def test_msg_19_batches_keep_order_and_limit_and_lose_nothing(sizes: list[int], limit: int) -> None:
    encoded = [str(index).encode().rjust(size, b"x") for index, size in enumerate(sizes)]
    batches = split_batches(encoded, limit)
    assert [item for batch in batches for item in batch] == encoded
    assert all(batch and len(write_batch(batch)) <= limit for batch in batches)


def test_msg_19_a_batch_is_filled_to_the_last_byte() -> None:
    assert split_batches([b"x" * 4, b"x" * 3], limit=10) == [[b"x" * 4, b"x" * 3]]
    assert split_batches([b"x" * 4, b"x" * 4], limit=10) == [[b"x" * 4], [b"x" * 4]]


def test_msg_19_the_longest_envelope_fits_and_a_longer_one_is_refused() -> None:
    longest = b"x" * (MAX_BATCH_BYTES - 2)
    assert split_batches([longest]) == [[longest]]
    with pytest.raises(MessageError, match="expected at most 65534 bytes, got 65535"):
        split_batches([longest + b"x"])


@given(envelopes)
def test_msg_20_a_fact_sent_late_is_the_same_fact(item: Envelope) -> None:
    late = read_envelopes(item.as_historical().to_bytes())[0]
    assert late.historical
    assert late.model_copy(update={"historical": False}) == item


def test_building_an_envelope_that_breaks_the_contract_is_a_message_error() -> None:
    with pytest.raises(MessageError, match="envelope: sequence"):
        fact(0)


@given(st.dictionaries(plain_text, values, max_size=5))
def test_equal_values_give_equal_canonical_json(value: dict[str, object]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)
