"""The table of capabilities for ``docs/capabilities.md``, from ``CAPABILITIES``."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, get_args

from pydantic.fields import FieldInfo

from device_profiles.capabilities import CAPABILITIES, Capability
from device_profiles.capabilities.model import DEVICE_FAULTS, Action, DeviceState, Effect, Shape, personal_fields

_HEAD = """# Capabilities

Generated from `device_profiles/capabilities` by `python -m scripts.generate_docs`; do not edit.
Effect: `read` changes nothing, `idempotent` may be repeated, `once` is never retried blindly.
Fields marked * identify a person and never leave a machine in the clear.
"""
_WHO = {
    Action.RESET: "the machine heals itself",
    Action.CLEAR: "hall staff",
    Action.MAINTENANCE: "crew",
    Action.CONFIGURATION: "operator (set-up)",
    Action.SOFTWARE_ERROR: "operator (defect)",
    Action.SUSPEND: "nobody yet",
}


def capability_table() -> str:
    """The whole document as Markdown."""
    parts = [_HEAD, *_every_device()]
    for name in sorted(CAPABILITIES):
        parts.extend(_section(CAPABILITIES[name]))
    return "\n".join(parts) + "\n"


def _every_device() -> Iterator[str]:
    yield "## Every peripheral"
    yield f"Status `device`: {', '.join(DeviceState)}.\n"
    yield from _faults({key: (fault.code, fault.action) for key, fault in DEVICE_FAULTS.items()})


def _section(capability: Capability) -> Iterator[str]:
    yield f"## {capability.name}"
    yield from _commands(capability)
    for name, body in sorted(capability.events.items()):
        yield f"Event `{capability.name}.{name}`: {_fields(body)}.\n"
    for name, info in capability.status.model_fields.items():
        if name != "device":
            yield f"Status `{name}`: {', '.join(_values(info)) or 'a number'}.\n"
    yield from _faults({key: (fault.code, fault.action) for key, fault in capability.faults.items()})


def _commands(capability: Capability) -> Iterator[str]:
    if not capability.commands:
        return
    yield "| command | effect | arguments | output |\n|---|---|---|---|"
    for command in capability.commands.values():
        yield f"| `{command.name}` | {Effect(command.effect)} | {_fields(command.args)} | {_fields(command.output)} |"
    yield ""


def _faults(faults: dict[tuple[str, str], tuple[str, Action]]) -> Iterator[str]:
    if not faults:
        return
    yield "| status | fault | action | who acts |\n|---|---|---|---|"
    for (field, value), (code, action) in faults.items():
        yield f"| `{field}` = {value} | `{code}` | {action} | {_WHO[action]} |"
    yield ""


def _fields(shape: type[Shape]) -> str:
    private = personal_fields(shape)
    return ", ".join(f"`{name}`{'*' if name in private else ''}" for name in shape.model_fields) or "-"


def _values(info: FieldInfo) -> list[str]:
    options: tuple[Any, ...] = get_args(info.annotation) or (info.annotation,)
    enums = [option for option in options if isinstance(option, type) and issubclass(option, StrEnum)]
    return [str(member) for option in enums for member in option]
