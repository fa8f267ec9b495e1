"""Uninterruptible power supply (XFS4IoT PowerManagement)."""

from enum import StrEnum

from pydantic import Field

from device_profiles.capabilities.model import Action, Capability, Command, Effect, Fault, Shape, Status, commands


class Supply(StrEnum):
    """What the machine runs on."""

    MAINS = "mains"
    BATTERY = "battery"
    BYPASS = "bypass"


class Battery(StrEnum):
    """State of the battery."""

    OK = "ok"
    LOW = "low"
    FAILED = "failed"


class Load(StrEnum):
    """What hangs on the supply against what it can carry."""

    NORMAL = "normal"
    OVERLOAD = "overload"


class PowerStatus(Status):
    """Status of a supply. Voltages, load and minutes left travel as telemetry."""

    supply: Supply | None = None
    battery: Battery | None = None
    load: Load | None = None


class ShutdownArgs(Shape):
    """Cut the output after ``delay_s``; it comes back by itself when the mains are there."""

    delay_s: int = Field(default=60, ge=12, le=600)


POWER = Capability(
    name="power",
    status=PowerStatus,
    commands=commands(
        Command("self_test", Effect.IDEMPOTENT),
        Command("shut_down", Effect.ONCE, ShutdownArgs, disruptive=True),
        Command("cancel_shut_down", Effect.IDEMPOTENT),
    ),
    faults={
        ("supply", Supply.BATTERY): Fault("mains_failed", Action.SUSPEND),
        ("supply", Supply.BYPASS): Fault("on_bypass", Action.MAINTENANCE),
        ("battery", Battery.LOW): Fault("battery_low", Action.CLEAR),
        ("battery", Battery.FAILED): Fault("battery_failed", Action.MAINTENANCE),
        ("load", Load.OVERLOAD): Fault("overload", Action.CLEAR),
    },
)
