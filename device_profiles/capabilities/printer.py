"""Ticket and receipt printer (XFS4IoT Printer): documents as blocks, paper, cover and cutter."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from device_profiles.capabilities.evidence import Counter
from device_profiles.capabilities.model import (
    Action,
    Capability,
    Command,
    Effect,
    Fault,
    Shape,
    Status,
    commands,
)


class Paper(StrEnum):
    """XFS4IoT Printer.Status.paper."""

    FULL = "full"
    LOW = "low"
    OUT = "out"
    JAMMED = "jammed"
    UNKNOWN = "unknown"


class Cover(StrEnum):
    """Whether the paper cover is shut."""

    CLOSED = "closed"
    OPEN = "open"


class Cutter(StrEnum):
    """The paper cutter."""

    OK = "ok"
    FAULT = "fault"


class Presenter(StrEnum):
    """The mouth that holds a cut ticket until the customer takes it."""

    EMPTY = "empty"
    TICKET = "ticket"


class PrinterStatus(Status):
    """Status of a printer. ``printed_total`` counts the cuts of its life: evidence for an unknown print."""

    paper: Paper | None = None
    cover: Cover | None = None
    cutter: Cutter | None = None
    presenter: Presenter | None = None
    printed_total: int | None = None


class TextBlock(Shape):
    """One line of text; longer text wraps at the printer's width. ``size`` multiplies width and height."""

    kind: Literal["text"] = "text"
    text: str = Field(max_length=1000)
    size: int = Field(default=1, ge=1, le=8)
    bold: bool = False
    align: Literal["left", "center", "right"] = "left"


class QrBlock(Shape):
    """A QR code, centred. ``module`` is the size of one module in dots."""

    kind: Literal["qr"] = "qr"
    data: str = Field(min_length=1, max_length=700)
    module: int = Field(default=6, ge=1, le=16)
    level: Literal["L", "M", "Q", "H"] = "M"


class FeedBlock(Shape):
    """Empty lines."""

    kind: Literal["feed"] = "feed"
    lines: int = Field(default=1, ge=1, le=20)


Block = Annotated[TextBlock | QrBlock | FeedBlock, Field(discriminator="kind")]


class PrintArgs(Shape):
    """A document: its blocks in order, cut at the end."""

    blocks: list[Block] = Field(min_length=1, max_length=100)
    cut: bool = True


class PrintOutput(Shape):
    """``taken``: the customer took the document out of the presenter; None when the printer cannot tell."""

    taken: bool | None = None


PRINTER = Capability(
    name="printer",
    status=PrinterStatus,
    commands=commands(
        Command("print", Effect.ONCE, PrintArgs, PrintOutput, Counter("printed_total", only_if={"cut": True})),
        Command("reset", Effect.IDEMPOTENT, disruptive=True),
    ),
    faults={
        ("paper", Paper.LOW): Fault("paper_low", Action.CLEAR),
        ("paper", Paper.OUT): Fault("paper_out", Action.CLEAR),
        ("paper", Paper.JAMMED): Fault("paper_jammed", Action.CLEAR),
        ("cover", Cover.OPEN): Fault("cover_open", Action.CLEAR),
        ("cutter", Cutter.FAULT): Fault("cutter_fault", Action.MAINTENANCE),
    },
)
