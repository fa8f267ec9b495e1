"""What must hold for every capability."""

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities import CAPABILITIES, Capability
from device_profiles.capabilities.barcode_reader import ScanOutput
from device_profiles.capabilities.card_reader import ChipData
from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import (
    DEVICE_FAULTS,
    Action,
    Command,
    DeviceState,
    Effect,
    Shape,
    personal_fields,
)
from device_profiles.capabilities.printer import Paper
from device_profiles.messages.command import CommandBody
from device_profiles.messages.facts import StatusChanged, status_fact

EVERY = pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=CAPABILITIES)
COMMANDS = [(capability, command) for capability in CAPABILITIES.values() for command in capability.commands.values()]
EVERY_COMMAND = pytest.mark.parametrize(
    ("capability", "command"), COMMANDS, ids=[f"{capability.name}.{command.name}" for capability, command in COMMANDS]
)


def _enum_of(capability: Capability, field: str) -> type[StrEnum]:
    annotation = capability.status.model_fields[field].annotation
    options = getattr(annotation, "__args__", (annotation,))
    return next(option for option in options if isinstance(option, type) and issubclass(option, StrEnum))


@EVERY
def test_every_fault_refers_to_a_real_status_value(capability: Capability) -> None:
    for (field, value), fault in {**capability.faults, **DEVICE_FAULTS}.items():
        assert value in set(_enum_of(capability, field))
        assert fault.code.replace("_", "").isalpha()
        assert fault.action in set(Action)
        assert f"{capability.name}.{field}_{value}" in capability.facts()


@EVERY
def test_a_new_status_claims_nothing_but_starting(capability: Capability) -> None:
    values = capability.status().model_dump()
    assert values.pop("device") == DeviceState.STARTING
    assert all(value is None for value in values.values())


@EVERY
def test_a_change_of_any_status_value_is_a_fact_of_the_capability(capability: Capability) -> None:
    for field, info in capability.status.model_fields.items():
        if "int" in str(info.annotation):
            continue
        for value in _enum_of(capability, field):
            fact, changed = status_fact(capability, field, value, None)
            assert fact in capability.facts()
            assert (changed.fault is None) == (capability.fault_of(field, value) is None)


def test_paper_that_is_back_carries_no_fault_and_says_what_was() -> None:
    fact, changed = status_fact(CAPABILITIES["printer"], "paper", Paper.FULL, Paper.OUT)
    assert fact == "printer.paper_full"
    assert changed == StatusChanged(field="paper", value="full", previous="out")


def test_paper_out_is_for_the_hall_staff() -> None:
    _, changed = status_fact(CAPABILITIES["printer"], "paper", Paper.OUT, Paper.FULL)
    assert changed.fault is not None
    assert (changed.fault.code, changed.fault.action) == ("paper_out", "clear")


@EVERY
def test_names_fit_into_topics_and_types(capability: Capability) -> None:
    assert CAPABILITIES[capability.name] is capability
    for fact in capability.facts():
        name, _, rest = fact.partition(".")
        assert name == capability.name
        assert rest
        assert len(fact) <= 80


@EVERY_COMMAND
def test_commands_are_sound(capability: Capability, command: Command) -> None:
    assert capability.commands[command.name] is command
    assert command.effect in set(Effect)
    assert CommandBody.model_json_schema()["properties"]["name"]["pattern"] == "^[a-z_]{1,40}$"
    assert command.name.replace("_", "").isalpha()
    assert command.name.islower()


@EVERY_COMMAND
def test_what_prints_dispenses_or_keeps_happens_once(capability: Capability, command: Command) -> None:
    physical = {"print", "dispense", "retain", "pay", "reverse", "end_of_day", "shut_down"}
    assert (command.effect is Effect.ONCE) == (command.name in physical)
    assert capability.name != "screen" or command.effect is not Effect.ONCE


def _shapes() -> list[type[Shape]]:
    shapes = [shape for _, command in COMMANDS for shape in (command.args, command.output)]
    shapes += [capability.status for capability in CAPABILITIES.values()]
    return shapes + [event for capability in CAPABILITIES.values() for event in capability.events.values()]


@pytest.mark.parametrize("shape", _shapes(), ids=lambda shape: shape.__name__)
def test_every_shape_is_frozen_and_knows_its_fields(shape: type[Shape]) -> None:
    assert shape.model_config["frozen"]
    assert shape.model_config["extra"] == "forbid"


def test_what_identifies_a_person_is_marked() -> None:
    assert personal_fields(IdDocument) == set(IdDocument.model_fields) - {"kind", "has_fingerprints"}
    assert personal_fields(ChipData) == set(ChipData.model_fields)
    assert personal_fields(ScanOutput) == {"text"}


def test_status_and_events_identify_nobody() -> None:
    for capability in CAPABILITIES.values():
        for shape in (capability.status, *capability.events.values()):
            assert personal_fields(shape) == frozenset()


@given(st.sampled_from(list(CAPABILITIES.values())), st.text(max_size=10), st.text(max_size=10))
def test_an_unknown_status_value_is_no_fault(capability: Capability, field: str, value: str) -> None:
    known = {**capability.faults, **DEVICE_FAULTS}
    assert (capability.fault_of(field, value) is not None) == ((field, value) in known)
