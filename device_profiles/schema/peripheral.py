"""A peripheral model: which capability it has, which driver speaks to it, how its line is set."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from device_profiles.capabilities import CAPABILITIES


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_File):
    """Serial parameters. ``dtr``, ``rts``: the level to hold while open; None leaves the driver's default."""

    baud: int = Field(default=9600, ge=300, le=4_000_000)
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    dtr: bool | None = None
    rts: bool | None = None


class Timing(_File):
    """Deadlines of one exchange and the pace of polling."""

    reply_ms: int = Field(default=1000, ge=10, le=60_000, description="how long one reply may take")
    attempts: int = Field(default=3, ge=1, le=10, description="tries of READ and IDEMPOTENT requests")
    poll_ms: int = Field(default=1000, ge=50, le=60_000, description="pace of status and event polling")


class Match(_File):
    """How a device that appears is recognised."""

    usb: list[str] = Field(default_factory=list, description="vendor:product, four hex digits each, lower case")
    identify: str = Field(default="", description="regular expression the model in the identify reply must match")

    @field_validator("usb")
    @classmethod
    def _four_hex(cls, values: list[str]) -> list[str]:
        for value in values:
            vendor, _, product = value.partition(":")
            if len(vendor) != 4 or len(product) != 4 or set(vendor + product) - set("0123456789abcdef"):
                raise ValueError(f"expected vendor:product in lower-case hex, got {value!r}")
        return values

    @field_validator("identify")
    @classmethod
    def _pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"expected a regular expression ({error}), got {value!r}") from error
        return value


class FaultButton(_File):
    """A fault that the simulated device can have, and how a driver tells it; the conformance suite tries each."""

    press: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="button of the simulator that makes the fault")
    args: dict[str, Any] = Field(default_factory=dict, description="arguments of that button")
    status: dict[str, str] = Field(min_length=1, description="status fields while the fault lasts")
    clear: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="button that ends the fault")
    clear_args: dict[str, Any] = Field(default_factory=dict, description="arguments of that button")


class PeripheralProfile(_File):
    """One model of peripheral; the file's name is its id."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    name: str
    capability: str
    driver: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="module in firmware_bridge/drivers")
    support: Literal["hardware", "datasheet", "simulated"]
    source: str = Field(description="document the profile was written from")
    attachment: str = Field(
        default="serial",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="module in firmware_bridge/transports that opens a port given as a path",
    )
    line: Line = Line()
    timing: Timing = Timing()
    match: Match = Match()
    options: dict[str, Any] = Field(default_factory=dict, description="quirks, checked by the driver's Options")
    simulator: dict[str, Any] = Field(default_factory=dict, description="what only the simulated device knows")
    faults: list[FaultButton] = Field(default_factory=list, description="faults to inject and to recognise")

    @field_validator("capability")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CAPABILITIES:
            raise ValueError(f"expected one of {', '.join(sorted(CAPABILITIES))}, got {value!r}")
        return value
