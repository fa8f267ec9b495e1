"""QR and barcode scanner (XFS4IoT BarcodeReader)."""

from enum import StrEnum

from pydantic import Field

from device_profiles.capabilities.model import (
    Action,
    Capability,
    Command,
    Effect,
    Fault,
    Shape,
    Status,
    commands,
    personal,
)


class Scanner(StrEnum):
    """XFS4IoT BarcodeReader.Status.scanner."""

    ON = "on"
    OFF = "off"
    INOPERATIVE = "inoperative"


class BarcodeReaderStatus(Status):
    """Status of a scanner."""

    scanner: Scanner | None = None


class ScanArgs(Shape):
    """Switch on and wait up to ``wait_s`` for a code; fails with ``barcode_invalid`` or ``no_media``."""

    wait_s: float = Field(default=60.0, gt=0, le=600)
    pattern: str = Field(default="", max_length=200, description="regular expression the whole code must match")


class ScanOutput(Shape):
    """The decoded text: a payment code is as good as money, so it is treated as personal."""

    text: str = personal()


BARCODE_READER = Capability(
    name="barcode_reader",
    status=BarcodeReaderStatus,
    commands=commands(Command("read", Effect.READ, ScanArgs, ScanOutput)),
    faults={("scanner", Scanner.INOPERATIVE): Fault("scanner_inoperative", Action.MAINTENANCE)},
)
