"""What the queue is made of. Times are milliseconds since 1970 (UTC)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from device_profiles.catalog import Catalog
from device_profiles.hall.ticket_states import TicketState
from device_profiles.hall.waiting import WaitEstimate
from device_profiles.schema.hall import HallProfile, Service
from device_profiles.schema.machine import MachineProfile


class CounterState(StrEnum):
    """Whether a counter calls citizens."""

    CLOSED = "closed"
    OPEN = "open"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One visit. ``subject``: the person's token when a card was swiped. ``machine``: empty when staff issued it."""

    ticket_id: str
    hall: str
    service: str
    number: str
    token: str
    day: str
    state: TicketState
    medium: str
    subject: str
    machine: str
    issued_ms: int
    called_ms: int | None = None
    started_ms: int | None = None
    ended_ms: int | None = None
    calls: int = 0
    counter: str = ""
    clerk: str = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter as it stands now. ``ticket_id`` is the ticket in hand, empty when there is none."""

    hall: str
    counter: str
    number: int
    machine: str
    state: CounterState
    clerk: str
    services: tuple[str, ...]
    ticket_id: str
    version: int


@dataclass(frozen=True, slots=True)
class ServiceLine:
    """How one service stands: counts of the day, the oldest wait, and what a newcomer would have to wait."""

    service: Service
    waiting: int
    called: int
    serving: int
    served: int
    no_shows: int
    abandoned: int
    oldest_wait_s: int
    open_counters: int
    idle_counters: int
    estimate: WaitEstimate | None


@dataclass(frozen=True, slots=True)
class Board:
    """A hall's queue at one moment. ``tickets`` holds the tickets in hand, by id."""

    hall: str
    day: str
    lines: tuple[ServiceLine, ...]
    counters: tuple[Counter, ...]
    tickets: Mapping[str, Ticket]


@dataclass(frozen=True, slots=True)
class Position:
    """A ticket as its holder sees it. ``people_ahead`` and ``estimate`` are None unless it is waiting."""

    ticket: Ticket
    service: Service
    people_ahead: int | None
    estimate: WaitEstimate | None
    counter_number: int | None


@dataclass(frozen=True, slots=True)
class HallPlan:
    """A hall's profile, with what the queue needs of its machines looked up once."""

    profile: HallProfile
    screens: Mapping[str, MachineProfile]
    slots: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of each counter's machine: capability -> slot."""

    @property
    def services(self) -> Mapping[str, Service]:
        """The services by id."""
        return {service.id: service for service in self.profile.services}

    @property
    def ticket_machines(self) -> list[str]:
        """The machines whose screen hands out tickets."""
        return [machine for machine, profile in self.screens.items() if profile.tickets]


def plan_of(catalog: Catalog, hall_id: str) -> HallPlan:
    """Look up what the queue needs of a hall. Raises ProfileError when a profile is missing."""
    profile = catalog.hall(hall_id)
    machines = {machine.id: catalog.machine(machine.profile) for machine in profile.machines}
    slots = {
        counter.machine: {
            catalog.peripheral(slot.peripheral).capability: name
            for name, slot in machines[counter.machine].slots.items()
        }
        for counter in profile.counters
    }
    screens = {machine_id: machine for machine_id, machine in machines.items() if machine.screen}
    return HallPlan(profile, screens, slots)
