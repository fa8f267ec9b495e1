"""The halls and machines of this cloud, as the catalogue describes them. Read once, never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cloud.core.errors import NotFound
from device_profiles.capabilities import CAPABILITIES, Capability
from device_profiles.capabilities.screen import SCREEN
from device_profiles.catalog import Catalog
from device_profiles.messages.topics import AGENT_SLOT
from device_profiles.schema.hall import HallProfile

SCREEN_SLOT = "screen"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine. ``capabilities``: slot name to capability name; ``peripherals``: slot name to profile id."""

    id: str
    hall: str
    profile: str
    kind: str
    name_zh: str
    name_en: str
    digest: str
    x: float
    y: float
    capabilities: Mapping[str, str]
    peripherals: Mapping[str, str]
    required: frozenset[str]


@dataclass(frozen=True, slots=True)
class SlotNow:
    """A slot as last reported. ``faults``: what is wrong, status field to XFS code."""

    device: str
    faults: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class MachineNow:
    """Whether a machine is there, and its slots by name; a slot that never reported is missing."""

    online: bool
    slots: Mapping[str, SlotNow]


class Register:
    """All machines of the halls that this cloud serves, by id."""

    def __init__(self, catalog: Catalog, halls: Sequence[str]) -> None:
        """Raises ProfileError when a hall is not in the catalogue."""
        self.halls: Mapping[str, HallProfile] = MappingProxyType({hall: catalog.hall(hall) for hall in halls})
        machines = (
            _machine(catalog, hall.id, member.id, member.profile, member.x, member.y)
            for hall in self.halls.values()
            for member in hall.machines
        )
        self.machines: Mapping[str, Machine] = MappingProxyType({machine.id: machine for machine in machines})

    def find(self, machine: str) -> Machine | None:
        """The machine with this id, None when there is none."""
        return self.machines.get(machine)

    def machine(self, machine: str) -> Machine:
        """The machine with this id. Raises NotFound."""
        found = self.machines.get(machine)
        if found is None:
            raise NotFound(f"machine {machine[:80]!r}: not in any hall of this cloud")
        return found

    def hall(self, hall: str) -> HallProfile:
        """The hall with this id. Raises NotFound."""
        found = self.halls.get(hall)
        if found is None:
            raise NotFound(f"hall {hall[:80]!r}: this cloud serves {', '.join(self.halls)}")
        return found

    def hall_of(self, machine: str) -> str:
        """The hall that a machine stands in. Raises NotFound."""
        return self.machine(machine).hall

    def capability(self, machine: str, slot: str) -> Capability:
        """What the peripheral in this slot can do. Raises NotFound."""
        known = self.machine(machine).capabilities
        if slot == AGENT_SLOT:
            return CAPABILITIES[AGENT_SLOT]
        if slot not in known:
            raise NotFound(f"machine {machine}: slot {slot[:60]!r}: it has {', '.join(sorted(known))}")
        return CAPABILITIES[known[slot]]


def _machine(catalog: Catalog, hall: str, machine: str, profile_id: str, x: float, y: float) -> Machine:
    profile = catalog.machine(profile_id)
    capabilities = {name: catalog.peripheral(slot.peripheral).capability for name, slot in profile.slots.items()}
    if profile.screen:
        capabilities[SCREEN_SLOT] = SCREEN.name
    return Machine(
        id=machine,
        hall=hall,
        profile=profile.id,
        kind=profile.kind,
        name_zh=profile.name_zh,
        name_en=profile.name_en,
        digest=catalog.digest(profile.id),
        x=x,
        y=y,
        capabilities=MappingProxyType(capabilities),
        peripherals=MappingProxyType({name: slot.peripheral for name, slot in profile.slots.items()}),
        required=frozenset(name for name, slot in profile.slots.items() if slot.required),
    )
