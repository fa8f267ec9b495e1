"""From what a driver says to facts in the outbox."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from device_profiles.capabilities.model import Capability, DeviceState, Event, Fault, Identity, Status
from device_profiles.messages.facts import DeviceReplaced, FaultBody, status_fact
from edge_agent.ports import Refusal

Fact = tuple[str, dict[str, Any]]


def status_facts(
    capability: Capability,
    now: Status,
    told: Mapping[str, StrEnum],
    refusal: Refusal | None = None,
    *,
    renewed: bool = False,
) -> list[tuple[str, StrEnum, Fact]]:
    """For every field that is not as ``told`` before: its name, its value, its fact. Counters and None give none.

    ``refusal``: why the device is not used; it takes the place of the fault that the device's state means. ``renewed``:
    the reason is another one than before, so that the same state is news.
    """
    found: list[tuple[str, StrEnum, Fact]] = []
    for name in type(now).model_fields:
        value, previous = getattr(now, name), told.get(name)
        if isinstance(value, StrEnum) and (value != previous or (renewed and name == "device")):
            fact_type, body = status_fact(capability, name, value, previous)
            if name == "device" and refusal is not None:
                body = body.model_copy(update={"fault": _body_of(refusal.fault), "detail": refusal.words[:1000]})
            found.append((name, value, (fact_type, body.model_dump(mode="json", exclude_none=True))))
    return found


def event_fact(capability: Capability, event: Event) -> Fact:
    """The fact of something that a peripheral reported unasked."""
    for name, shape in capability.events.items():
        if type(event.body) is shape:
            return f"{capability.name}.{name}", event.body.model_dump(mode="json", exclude_none=True)
    expected = ", ".join(shape.__name__ for shape in capability.events.values()) or "no events"
    raise TypeError(f"{capability.name}: expected {expected}, got {type(event.body).__name__}")


def replaced_fact(known: Identity, now: Identity) -> Fact:
    """The fact that another device is in a slot."""
    body = DeviceReplaced(
        model=now.model,
        serial_number=now.serial_number,
        previous_model=known.model,
        previous_serial_number=known.serial_number,
    )
    return "agent.device_replaced", body.model_dump(mode="json")


def is_another(known: Identity, now: Identity) -> bool:
    """Whether two identities are of two devices; what one of them does not say counts for nothing."""
    pairs = ((known.model, now.model), (known.serial_number, now.serial_number))
    return any(before and after and before != after for before, after in pairs)


def _body_of(fault: Fault) -> FaultBody:
    return FaultBody(code=fault.code, action=fault.action)


def gone(known: Status, state: DeviceState) -> Status:
    """The status of a device that has left or does not answer: the rest of it is what was known last."""
    return known.model_copy(update={"device": state})
