"""From what a driver says to facts in the outbox."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from device_profiles.capabilities.model import Capability, DeviceState, Event, Status
from device_profiles.messages.facts import status_fact

Fact = tuple[str, dict[str, Any]]


def status_facts(capability: Capability, now: Status, told: Mapping[str, StrEnum]) -> list[tuple[str, StrEnum, Fact]]:
    """For every field that is not as ``told`` before: its name, its value, its fact. Counters and None give none."""
    found: list[tuple[str, StrEnum, Fact]] = []
    for name in type(now).model_fields:
        value, previous = getattr(now, name), told.get(name)
        if isinstance(value, StrEnum) and value != previous:
            fact_type, body = status_fact(capability, name, value, previous)
            found.append((name, value, (fact_type, body.model_dump(mode="json", exclude_none=True))))
    return found


def event_fact(capability: Capability, event: Event) -> Fact:
    """The fact of something that a peripheral reported unasked."""
    for name, shape in capability.events.items():
        if type(event.body) is shape:
            return f"{capability.name}.{name}", event.body.model_dump(mode="json", exclude_none=True)
    expected = ", ".join(shape.__name__ for shape in capability.events.values()) or "no events"
    raise TypeError(f"{capability.name}: expected {expected}, got {type(event.body).__name__}")


def gone(known: Status, state: DeviceState) -> Status:
    """The status of a device that has left or does not answer: the rest of it is what was known last."""
    return known.model_copy(update={"device": state})
