"""A peripheral model: which capability it has, which driver speaks to it, how its line is set."""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from device_profiles.capabilities import CAPABILITIES


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_File):
    """Serial parameters. ``dtr``, ``rts``: the level to hold while open; None leaves what the system sets (high)."""

    baud: int = Field(default=9600, ge=300, le=4_000_000)
    data_bits: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd"] = "none"
    stop_bits: Literal[1, 2] = 1
    dtr: bool | None = None
    rts: bool | None = None
    hang_up: bool = Field(
        default=False,
        description="lower DTR and RTS when the port is closed (HUPCL); without it a restart resets no device",
    )
    flow: Literal["none", "rts_cts", "xon_xoff"] = Field(
        default="none", description="flow control; xon_xoff only for protocols that never send 11 and 13"
    )
    echo: bool = Field(default=False, description="the adapter hears what it sends (RS-485 whose receiver stays on)")


class Hid(_File):
    """Reports of a USB HID device that carries a byte stream (``attachment = "hid"``), sizes without the report id."""

    in_bytes: int = Field(default=64, ge=1, le=1024, description="size of an input report")
    out_bytes: int = Field(default=64, ge=1, le=1024, description="size of an output report")
    in_id: int = Field(default=0, ge=0, le=255, description="id of the input report; 0: reports carry no id")
    out_id: int = Field(default=0, ge=0, le=255, description="id of the output report; 0: reports carry no id")
    length: Literal["none", "first_byte", "report_id"] = Field(
        default="none", description="where a report says how many of its bytes count; none: all of them do"
    )


class Usb(_File):
    """Bulk endpoints of a device with ``attachment = "usb"``.

    Where ``header`` is set, the first bytes of every frame go as a transfer of their own, and its last two bytes hold
    the length of what follows, big-endian (readers with an SAM_V module).
    """

    header: int = Field(default=0, ge=0, le=64, description="bytes of that first transfer; 0: frames are not parted")
    header_out: int = Field(default=0x01, ge=0x01, le=0x0F, description="endpoint of the first transfer to the device")
    header_in: int = Field(default=0x81, ge=0x81, le=0x8F, description="endpoint of the first transfer from it")
    out: int = Field(default=0x01, ge=0x01, le=0x0F, description="endpoint to the device")
    in_: int = Field(default=0x81, ge=0x81, le=0x8F, alias="in", description="endpoint from the device")
    interface: int = Field(default=0, ge=0, le=255)


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


class Update(_File):
    """How the firmware of this model is updated (firmware_bridge/update); without it: not from here."""

    method: Literal["smp", "xmodem", "xmodem-1k", "ymodem"] = Field(
        description="smp: MCUboot with two slots; the others: a boot loader that takes one image"
    )
    device_type: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$", description="what images call the model")
    hardware: str = Field(default="", max_length=16, description="its hardware revision, when all have the same")
    hardware_pattern: str = Field(
        default="", description="or a regular expression on the model of the identify reply; its group is the revision"
    )
    framing: Literal["console", "cobs"] = Field(default="console", description="how SMP messages travel on the line")
    entry: str = Field(default="", description="bytes in hex that make the application start its boot loader")
    reply_s: float = Field(default=2.5, ge=0.1, le=60, description="longest time for an ordinary answer")
    erase_s: float = Field(default=40, ge=1, le=600, description="longest time until the flash is erased")
    boot_s: float = Field(default=30, ge=1, le=600, description="longest time until a started device answers")

    @model_validator(mode="after")
    def _complete(self) -> "Update":
        if bool(self.hardware) == bool(self.hardware_pattern):
            raise ValueError("expected either hardware or hardware_pattern: images are for certain revisions")
        try:
            groups = re.compile(self.hardware_pattern).groups
            entry = bytes.fromhex(self.entry)
        except (re.error, ValueError) as error:
            raise ValueError(f"hardware_pattern, entry: expected a regular expression and hex ({error})") from error
        if self.hardware_pattern and groups != 1:
            raise ValueError(f"hardware_pattern: expected one group, got {groups}")
        if (self.method == "smp") == bool(entry):
            raise ValueError("entry: expected bytes for xmodem and ymodem, and none for smp")
        return self


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
    hid: Hid = Hid()
    usb: Usb = Usb()
    timing: Timing = Timing()
    match: Match = Match()
    options: dict[str, Any] = Field(default_factory=dict, description="quirks, checked by the driver's Options")
    simulator: dict[str, Any] = Field(default_factory=dict, description="what only the simulated device knows")
    harmless_bytes: int = Field(
        default=0,
        ge=0,
        le=64,
        description="first bytes of a frame that say nothing about a person (recordings keep them)",
    )
    update: Update | None = Field(default=None, description="how its firmware is updated; none: not from here")
    faults: list[FaultButton] = Field(default_factory=list, description="faults to inject and to recognise")

    @field_validator("capability")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CAPABILITIES:
            raise ValueError(f"expected one of {', '.join(sorted(CAPABILITIES))}, got {value!r}")
        return value
