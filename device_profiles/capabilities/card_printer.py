"""Rewritable thermal card printer: erases and prints the face of a card (XFS4IoT Printer on card media)."""

from enum import StrEnum

from pydantic import Field

from device_profiles.capabilities.card_reader import Stacker
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


class CardMedia(StrEnum):
    """The card in the printer's path."""

    PRESENT = "present"
    NOT_PRESENT = "not_present"
    JAMMED = "jammed"


class CardCover(StrEnum):
    """The printer's cover."""

    CLOSED = "closed"
    OPEN = "open"


class CardPrinterStatus(Status):
    """Status of a card printer. ``printed_total`` counts the cards of its life: evidence for an unknown print."""

    media: CardMedia | None = None
    cover: CardCover | None = None
    stacker: Stacker | None = None
    printed_total: int | None = None


class PrintCardArgs(Shape):
    """Erase the card, print ``lines`` on its face and hand it back to the card unit."""

    lines: list[str] = Field(min_length=1, max_length=8)


CARD_PRINTER = Capability(
    name="card_printer",
    status=CardPrinterStatus,
    commands=commands(
        Command("print", Effect.ONCE, PrintCardArgs, evidence=Counter("printed_total")),
        Command("reset", Effect.IDEMPOTENT, disruptive=True),
    ),
    faults={
        ("media", CardMedia.JAMMED): Fault("media_jam", Action.MAINTENANCE),
        ("cover", CardCover.OPEN): Fault("cover_open", Action.CLEAR),
        ("stacker", Stacker.EMPTY): Fault("stacker_empty", Action.CLEAR),
    },
)
