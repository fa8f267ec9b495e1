"""Contacts and sensors of a machine or a hall (XFS4IoT Auxiliaries): doors, tamper loop, climate, people counter.

A device has some of these; what it lacks is None. Measured values travel as telemetry (the driver's counters).
"""

from enum import StrEnum

from device_profiles.capabilities.model import Action, Capability, Command, Effect, Fault, Shape, Status, commands


class Cabinet(StrEnum):
    """XFS4IoT Auxiliaries cabinet door."""

    CLOSED = "closed"
    OPEN = "open"


class Tamper(StrEnum):
    """The tamper loop; it is normally closed, so a cut wire is an alarm."""

    OK = "ok"
    ALARM = "alarm"


class Climate(StrEnum):
    """Temperature or humidity against the limits in the profile."""

    NORMAL = "normal"
    LOW = "low"
    HIGH = "high"


class AuxiliariesStatus(Status):
    """Status of contacts and sensors."""

    cabinet: Cabinet | None = None
    tamper: Tamper | None = None
    temperature: Climate | None = None
    humidity: Climate | None = None


class ReadingsOutput(Shape):
    """What is measured now; totals count since the device was switched on."""

    temperature_c: float | None = None
    humidity_pct: float | None = None
    entered_total: int | None = None
    left_total: int | None = None


AUXILIARIES = Capability(
    name="auxiliaries",
    status=AuxiliariesStatus,
    commands=commands(Command("read", Effect.READ, output=ReadingsOutput)),
    faults={
        ("cabinet", Cabinet.OPEN): Fault("cabinet_open", Action.CLEAR),
        ("tamper", Tamper.ALARM): Fault("tamper_alarm", Action.MAINTENANCE),
        ("temperature", Climate.LOW): Fault("temperature_low", Action.CLEAR),
        ("temperature", Climate.HIGH): Fault("temperature_high", Action.CLEAR),
        ("humidity", Climate.LOW): Fault("humidity_low", Action.CLEAR),
        ("humidity", Climate.HIGH): Fault("humidity_high", Action.CLEAR),
    },
)
