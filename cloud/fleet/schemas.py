"""HTTP bodies of the fleet."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from cloud.core.clock import from_ms
from cloud.fleet.model import Machine
from cloud.fleet.states import MachineState
from device_profiles.schema.hall import HallProfile


class FaultView(BaseModel):
    """What is wrong and who must act (XFS words)."""

    field: str
    code: str
    action: str


class SlotView(BaseModel):
    """One mounting point; ``status`` is empty until the machine reported it."""

    slot: str
    capability: str
    peripheral: str
    required: bool
    status: dict[str, Any]
    faults: list[FaultView]
    at: datetime | None


class MachineSummary(BaseModel):
    """One machine in a list."""

    id: str
    hall: str
    kind: str
    profile: str
    name_zh: str
    name_en: str
    state: MachineState
    changed_at: datetime | None
    faults: int


class MachineView(MachineSummary):
    """One machine with everything that is known of it."""

    epoch: int
    agent_version: str
    since: datetime | None
    profile_matches: bool | None
    inventory: dict[str, Any] | None
    slots: list[SlotView]


class MachinePage(BaseModel):
    """A page of machines; ``next`` is the cursor of the following page."""

    items: list[MachineSummary]
    next: str | None


class HallView(BaseModel):
    """One hall in a list."""

    id: str
    name_zh: str
    name_en: str
    machines: int
    online: int


class HallList(BaseModel):
    """The halls of this cloud."""

    items: list[HallView]


class HallDetail(BaseModel):
    """One hall: what it looks like, and how many machines are in which state."""

    hall: HallProfile
    machines: dict[str, int]


def summary(machine: Machine, row: Any, slots: Sequence[Any]) -> MachineSummary:
    """A machine for a list; ``row`` is what it announced, None when it never did."""
    return MachineSummary(
        id=machine.id,
        hall=machine.hall,
        kind=machine.kind,
        profile=machine.profile,
        name_zh=machine.name_zh,
        name_en=machine.name_en,
        state=MachineState.NEVER_SEEN if row is None else MachineState(row.state),
        changed_at=None if row is None else from_ms(row.changed_ms),
        faults=sum(len(slot.faults) for slot in slots),
    )


def detail(machine: Machine, row: Any, slots: Sequence[Any]) -> MachineView:
    """A machine with all its slots."""
    known = {slot.slot: slot for slot in slots}
    inventory = None if row is None else row.inventory
    return MachineView(
        **summary(machine, row, slots).model_dump(),
        epoch=0 if row is None else row.epoch,
        agent_version="" if row is None else row.agent_version,
        since=None if row is None else from_ms(row.since_ms),
        profile_matches=None if inventory is None else inventory.get("digest") == machine.digest,
        inventory=inventory,
        slots=[_slot(machine, name, known.get(name)) for name in machine.capabilities],
    )


def _slot(machine: Machine, name: str, row: Any) -> SlotView:
    faults = {} if row is None else row.faults
    return SlotView(
        slot=name,
        capability=machine.capabilities[name],
        peripheral=machine.peripherals.get(name, ""),
        required=name in machine.required,
        status={} if row is None else row.status,
        faults=[FaultView(field=field, **fault) for field, fault in faults.items()],
        at=None if row is None else from_ms(row.at_ms),
    )
