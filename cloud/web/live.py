"""The snapshot that staff pages draw and that ``GET /api/v1/halls/{hall}/live`` answers."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LiveBand(_Part):
    """An expected wait: half of the waits are below the median, four of five between low and high."""

    median_s: int
    low_s: int
    high_s: int


class LiveService(_Part):
    """One queue."""

    id: str
    prefix: str
    name_zh: str
    name_en: str
    waiting: int
    oldest_wait_s: int
    target_wait_s: int
    estimate: LiveBand | None = Field(description="for a citizen who comes now; null when no counter is open")
    open_counters: int
    called: int
    serving: int
    served: int
    no_shows: int
    abandoned: int

    @property
    def over_target(self) -> bool:
        """Whether somebody waits longer than the hall promises."""
        return self.oldest_wait_s > self.target_wait_s

    @property
    def filled(self) -> float:
        """The oldest wait as a part of one and a half targets, 0 to 1: how far the gauge is filled."""
        return min(1.0, self.oldest_wait_s / (1.5 * self.target_wait_s))


class LiveCounter(_Part):
    """One counter. ``ticket`` is the number in hand, empty when there is none."""

    id: str
    number: int
    machine: str
    state: str
    clerk: str
    services: list[str]
    ticket: str
    ticket_state: str
    since: datetime | None = Field(description="when the ticket in hand was called")


class LiveSlot(_Part):
    """One peripheral: what it is, whether it answers, what is wrong."""

    slot: str
    capability: str
    device: str
    faults: list[str]


class LiveMachine(_Part):
    """One machine; ``state`` is ok, warn, bad, or idle when it is offline."""

    id: str
    kind: str
    name_zh: str
    name_en: str
    x: float
    y: float
    online: bool
    state: str
    slots: list[LiveSlot]


class LiveAlert(_Part):
    """One open fault and who must act."""

    id: str
    machine: str
    slot: str
    code: str
    action: str
    who: str
    severity: str
    opened_at: datetime
    acknowledged: bool
    name_zh: str
    name_en: str
    try_zh: str
    try_en: str


class LiveProposal(_Part):
    """A proposed move of one clerk, with its reason."""

    id: str
    counter: str
    clerk: str
    reason_zh: str
    reason_en: str
    made_at: datetime


class LivePoint(_Part):
    """How many people waited at a moment."""

    at: datetime
    waiting: int


class LiveHall(_Part):
    """The whole hall at one moment. ``revision`` is the last one of the stream that the snapshot contains."""

    hall: str
    name_zh: str
    name_en: str
    timezone: str
    width_m: float
    depth_m: float
    at: datetime
    revision: int
    services: list[LiveService]
    counters: list[LiveCounter]
    machines: list[LiveMachine]
    alerts: list[LiveAlert]
    proposals: list[LiveProposal]
    history: list[LivePoint] = Field(description="people waiting during the last hour, oldest first")

    @property
    def waiting(self) -> int:
        """Everybody who waits."""
        return sum(service.waiting for service in self.services)

    @property
    def working(self) -> int:
        """Machines that work."""
        return sum(machine.state == "ok" for machine in self.machines)
