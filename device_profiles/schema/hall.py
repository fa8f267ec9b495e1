"""A hall: services, counters, clerks and machines, with their places on the floor plan (metres)."""

from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from device_profiles.errors import MessageError
from device_profiles.messages.topics import check_machine_id


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Service(_Part):
    """One queue: what people wait for. ``prefix`` starts its ticket numbers."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    prefix: str = Field(pattern=r"^[A-Z]$")
    name_zh: str
    name_en: str
    target_wait_s: int = Field(default=660, gt=0, description="norm: 11 minutes (Foshan)")
    mean_service_s: int = Field(default=600, gt=0)


class Clerk(_Part):
    """A member of counter staff and the services he or she is skilled in."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    name: str
    skills: list[str]


class Counter(_Part):
    """A counter; ``machine`` is its counter set, ``services`` what it calls in the morning."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    number: int = Field(ge=1, le=999)
    machine: str
    clerk: str
    services: list[str]
    x: float
    y: float


class HallMachine(_Part):
    """A machine in the hall and its place."""

    id: str
    profile: str
    x: float
    y: float

    @field_validator("id")
    @classmethod
    def _machine_id(cls, value: str) -> str:
        try:
            return check_machine_id(value)
        except MessageError as error:
            raise ValueError(str(error)) from error


class HallProfile(_Part):
    """One hall; the file's name is its id."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    name_zh: str
    name_en: str
    timezone: str = "Asia/Shanghai"
    width_m: float = Field(gt=0)
    depth_m: float = Field(gt=0)
    services: list[Service]
    clerks: list[Clerk]
    counters: list[Counter]
    machines: list[HallMachine]

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"expected an IANA time zone, got {value!r}") from error
        return value

    @model_validator(mode="after")
    def _references(self) -> "HallProfile":
        services = _unique("service", [service.id for service in self.services])
        _unique("prefix", [service.prefix for service in self.services])
        clerks = _unique("clerk", [clerk.id for clerk in self.clerks])
        machines = _unique("machine", [machine.id for machine in self.machines])
        _unique("counter's clerk", [counter.clerk for counter in self.counters])
        _unique("counter's machine", [counter.machine for counter in self.counters])
        _unique("counter", [counter.id for counter in self.counters])
        _unique("counter number", [str(counter.number) for counter in self.counters])
        for clerk in self.clerks:
            _known(f"clerk {clerk.id}: skill", clerk.skills, services)
        for counter in self.counters:
            _known(f"counter {counter.id}: service", counter.services, services)
            _known(f"counter {counter.id}: clerk", [counter.clerk], clerks)
            _known(f"counter {counter.id}: machine", [counter.machine], machines)
        return self

    @model_validator(mode="after")
    def _skills(self) -> "HallProfile":
        skills = {clerk.id: set(clerk.skills) for clerk in self.clerks}
        for counter in self.counters:
            what = f"counter {counter.id}: service that clerk {counter.clerk} is skilled in"
            _known(what, counter.services, skills[counter.clerk])
        return self

    @model_validator(mode="after")
    def _inside(self) -> "HallProfile":
        parts: list[Counter | HallMachine] = [*self.counters, *self.machines]
        for part in parts:
            if not (0 <= part.x <= self.width_m and 0 <= part.y <= self.depth_m):
                size = f"{self.width_m:g} x {self.depth_m:g} m"
                raise ValueError(f"{part.id}: expected a place inside {size}, got {part.x:g}, {part.y:g}")
        return self


def _unique(what: str, ids: list[str]) -> set[str]:
    for value in ids:
        if ids.count(value) > 1:
            raise ValueError(f"{what} {value!r} stands twice")
    return set(ids)


def _known(what: str, ids: list[str], known: set[str]) -> None:
    for value in ids:
        if value not in known:
            raise ValueError(f"{what}: expected one of {', '.join(sorted(known))}, got {value!r}")
