"""The parts that every capability is made of: status, commands with their effect, events, faults.

Terms follow XFS4IoT (CEN CWA 17852): ``DeviceState`` is Common.Status.device, ``Action`` ErrorEvent.action.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.evidence import Evidence


class Effect(StrEnum):
    """What repeating a command would do to the world."""

    READ = "read"  # changes nothing: may be retried
    IDEMPOTENT = "idempotent"  # a second run leaves the same state: may be retried
    ONCE = "once"  # prints, dispenses, keeps: never retried blindly


class Action(StrEnum):
    """Who must act on a fault (XFS4IoT ErrorEvent.action)."""

    RESET = "reset"  # the machine heals itself
    CLEAR = "clear"  # hall staff: paper, bin, cover
    MAINTENANCE = "maintenance"  # crew
    CONFIGURATION = "configuration"  # operator: wrong set-up
    SOFTWARE_ERROR = "software_error"  # operator: defect
    SUSPEND = "suspend"  # nobody yet: the device is trying by itself


class DeviceState(StrEnum):
    """XFS4IoT Common.Status.device, in snake case."""

    ONLINE = "online"
    OFFLINE = "offline"
    NO_DEVICE = "no_device"
    HARDWARE_ERROR = "hardware_error"
    USER_ERROR = "user_error"
    BUSY = "busy"
    STARTING = "starting"


class Shape(BaseModel):
    """Base of all arguments, outputs, events and status: frozen, and no unknown field is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Nothing(Shape):
    """No arguments, or no output."""


class Status(Shape):
    """What a peripheral says about itself. Every field but ``device`` is None when not supported."""

    device: DeviceState = DeviceState.STARTING


class Identity(Shape):
    """Who a peripheral says it is; empty strings where the protocol cannot tell."""

    model: str = ""
    serial_number: str = ""
    firmware: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """A status value that somebody has to act on; ``code`` is the XFS4IoT word in snake case."""

    code: str
    action: Action


@dataclass(frozen=True, slots=True)
class Command:
    """One thing a peripheral can be asked to do.

    ``evidence`` settles it when its outcome is unknown. ``disruptive``: it must not happen to a citizen in the middle
    of something, unless it is part of what is done for that citizen.
    """

    name: str
    effect: Effect
    args: type[Shape] = Nothing
    output: type[Shape] = Nothing
    evidence: Evidence | None = None
    disruptive: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a peripheral reports unasked, other than a change of status."""

    device: str
    body: Shape


DEVICE_FAULTS: dict[tuple[str, str], Fault] = {
    ("device", DeviceState.OFFLINE): Fault("device_offline", Action.MAINTENANCE),
    ("device", DeviceState.NO_DEVICE): Fault("no_device", Action.CLEAR),
    ("device", DeviceState.HARDWARE_ERROR): Fault("hardware_error", Action.MAINTENANCE),
    ("device", DeviceState.USER_ERROR): Fault("user_error", Action.CLEAR),
}

# A device that answers and is not used: told with device = hardware_error, so that the crew looks, not the hall staff.
WRONG_DEVICE = Fault("wrong_device", Action.MAINTENANCE)
AMBIGUOUS_DEVICE = Fault("ambiguous_device", Action.CONFIGURATION)
REFUSALS = (WRONG_DEVICE, AMBIGUOUS_DEVICE)


@dataclass(frozen=True, slots=True)
class Capability:
    """A class of device. ``faults`` maps (status field, value) to the fault that it means."""

    name: str
    status: type[Status]
    commands: Mapping[str, Command] = field(default_factory=dict)
    events: Mapping[str, type[Shape]] = field(default_factory=dict)
    faults: Mapping[tuple[str, str], Fault] = field(default_factory=dict)

    def fault_of(self, status_field: str, value: str) -> Fault | None:
        """The fault that this status value means, or None when the value is good or only informative."""
        return self.faults.get((status_field, value)) or DEVICE_FAULTS.get((status_field, value))

    def facts(self) -> list[str]:
        """Every fact type that this capability can publish, such as ``printer.paper_low``."""
        changes = [
            f"{self.name}.{name}_{value}"
            for name, info in self.status.model_fields.items()
            for value in _values_of(info.annotation)
        ]
        return sorted(changes + [f"{self.name}.{event}" for event in self.events])


def commands(*items: Command) -> dict[str, Command]:
    """A command table keyed by name."""
    return {item.name: item for item in items}


def personal(description: str = "") -> Any:
    """A field that identifies a person: it never leaves the machine in the clear (``personal_fields``).

    It is left out of ``repr``, which loggers and debuggers print of tasks and arguments.
    """
    return Field(default="", description=description, repr=False, json_schema_extra={"privacy": "personal"})


def personal_fields(shape: type[BaseModel]) -> frozenset[str]:
    """Names of the fields of ``shape`` that identify a person."""
    return frozenset(
        name
        for name, info in shape.model_fields.items()
        if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("privacy") == "personal"
    )


def _values_of(annotation: Any) -> list[str]:
    options = getattr(annotation, "__args__", (annotation,))
    return [
        str(member)
        for option in options
        if isinstance(option, type) and issubclass(option, StrEnum)
        for member in option
    ]
