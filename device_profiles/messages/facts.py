"""The data of facts that are no capability's own event: status changes, tickets, sessions, the agent itself.

Fact types are ``{capability}.{fact}``. A capability's own events (``evaluator.rated``, ``caller.key_pressed``) carry
the event's shape from ``capabilities``. A change of a status field is ``{capability}.{field}_{value}`` with
``StatusChanged``. Read them with ``read_data`` (messages/body.py).
"""

from typing import Any, Literal

from pydantic import Field

from device_profiles.capabilities.model import Capability
from device_profiles.messages.body import MAX_INTEGER, Body, UtcTime


class FaultBody(Body):
    """What a bad status value means and who must act (XFS words)."""

    code: str
    action: str


class StatusChanged(Body):
    """A status field took another value. ``fault`` is None when it is good: evidence that closes an alert.

    ``detail`` says in words what a code cannot: which device is in the wrong slot, and what to do.
    """

    field: str
    value: str
    previous: str | None = None
    fault: FaultBody | None = None
    detail: str | None = Field(default=None, max_length=1000)


class TicketIssued(Body):
    """``ticket.issued``: a citizen holds this ticket. ``medium`` tells how it was handed over."""

    ticket_id: str = Field(max_length=64)
    service: str = Field(max_length=40)
    number: str = Field(max_length=8, description="prefix and digits, such as A012")
    token: str = Field(min_length=16, max_length=64, description="opens the live position; says nothing of the person")
    day: str = Field(max_length=10)
    medium: Literal["paper", "screen"] = "paper"
    subject: str = Field(default="", max_length=64, description="token of the person, when a card was swiped")


class SessionStarted(Body):
    """``session.started``: a citizen chose a journey at this machine's screen."""

    session_id: str = Field(max_length=64)
    item: str = Field(max_length=60)


class DeviceReplaced(Body):
    """``agent.device_replaced``: another device than last time has been identified in this slot."""

    model: str
    serial_number: str
    previous_model: str
    previous_serial_number: str


class FirmwareUpdate(Body):
    """``agent.firmware_*``: a slot's firmware update began, was sent, or ended as the fact's name says.

    ``image`` is the digest (hex) that the signature vouches for; ``note`` says why it did not end well.
    """

    slot: str = Field(max_length=64)
    profile: str = Field(max_length=64)
    image: str = Field(default="", max_length=64)
    from_version: str = Field(default="", max_length=40)
    to_version: str = Field(default="", max_length=40)
    note: str = Field(default="", max_length=300)


class VendorModeChanged(Body):
    """``agent.vendor_mode_changed``: the machine is drained of citizens, a technician's, or back. ``by``: the step."""

    state: str = Field(max_length=20)
    by: str = Field(default="", max_length=20)
    until: UtcTime | None = None


class UplinkTrial(Body):
    """``agent.uplink_trial_*``: new settings of the uplink are tried, kept, or given up for the old ones (``why``)."""

    broker: str = Field(max_length=300)
    previous: str = Field(max_length=300)
    attempt: int = 1
    why: str = Field(default="", max_length=300)


class Dropped(Body):
    """``agent.dropped``: these sequences were given up on purpose and will never come."""

    lane: Literal["telemetry", "business"]
    from_sequence: int = Field(ge=1, le=MAX_INTEGER)
    to_sequence: int = Field(ge=1, le=MAX_INTEGER)
    reason: str


class Freed(Body):
    """``agent.freed``: the cloud acknowledged these sequences once, so the machine has them no more.

    The answer to a ``replay`` of a cloud that went back to an older state: they will never come again.
    """

    from_sequence: int = Field(ge=1, le=MAX_INTEGER)
    to_sequence: int = Field(ge=1, le=MAX_INTEGER)


class Sample(Body):
    """One telemetry sample of a slot; ``at_ms`` is Unix time in milliseconds."""

    at_ms: int
    slot: str
    metrics: dict[str, float]


class Samples(Body):
    """The data of ``agent.sampled``."""

    samples: list[Sample]


def status_fact(capability: Capability, field: str, value: Any, previous: Any) -> tuple[str, StatusChanged]:
    """The fact type and data for a status field that changed."""
    fault = capability.fault_of(field, str(value))
    return f"{capability.name}.{field}_{value}", StatusChanged(
        field=field,
        value=str(value),
        previous=None if previous is None else str(previous),
        fault=None if fault is None else FaultBody(code=fault.code, action=fault.action),
    )
