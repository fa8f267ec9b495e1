"""Motorised card unit (XFS4IoT CardReader with retain and dispense storage units)."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from device_profiles.capabilities.evidence import Position
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


class Media(StrEnum):
    """XFS4IoT CardReader.Status.media; ``entering`` is a card at the gate."""

    PRESENT = "present"
    NOT_PRESENT = "not_present"
    ENTERING = "entering"
    JAMMED = "jammed"
    UNKNOWN = "unknown"


class Stacker(StrEnum):
    """Fill of the dispense unit (XFS4IoT Storage.replenishment)."""

    OK = "ok"
    LOW = "low"
    EMPTY = "empty"


class RetainBin(StrEnum):
    """Fill of the retain unit."""

    OK = "ok"
    FULL = "full"


class CardReaderStatus(Status):
    """Status of a card unit."""

    media: Media | None = None
    stacker: Stacker | None = None
    retain_bin: RetainBin | None = None


class AcceptArgs(Shape):
    """Open the gate and draw in the citizen's card; gives up after ``wait_s`` with code ``no_media``."""

    wait_s: float = Field(default=60.0, gt=0, le=600)


class ChipData(Shape):
    """What the card's chip says about its holder."""

    document_number: str = personal("number of the permit")
    holder_name: str = personal()
    birth_date: str = personal("YYYYMMDD")


class MoveArgs(Shape):
    """Where the card goes: ``printer`` hands it to the card printer behind, ``hold`` takes it back."""

    to: Literal["hold", "chip", "printer"]


class EjectArgs(Shape):
    """Bring the card to the gate and wait up to ``wait_taken_s`` for the citizen to take it."""

    wait_taken_s: float = Field(default=30.0, ge=0, le=600)


class EjectOutput(Shape):
    """``taken`` is False when the card still stands in the gate."""

    taken: bool


# Inside the unit nobody but the unit moves the card: where it is tells what was done.
_IN, _OUT = frozenset({Media.PRESENT}), frozenset({Media.NOT_PRESENT})

CARD_READER = Capability(
    name="card_reader",
    status=CardReaderStatus,
    commands=commands(
        Command("accept", Effect.IDEMPOTENT, AcceptArgs),
        Command("read_chip", Effect.READ, output=ChipData),
        Command("move", Effect.IDEMPOTENT, MoveArgs),
        Command("eject", Effect.IDEMPOTENT, EjectArgs, EjectOutput),
        Command("retain", Effect.ONCE, evidence=Position("media", at=_IN, done=_OUT, not_done=_IN)),
        Command("dispense", Effect.ONCE, evidence=Position("media", at=_OUT, done=_IN, not_done=_OUT)),
        Command("reset", Effect.IDEMPOTENT, disruptive=True),
    ),
    faults={
        ("media", Media.JAMMED): Fault("media_jam", Action.MAINTENANCE),
        ("stacker", Stacker.LOW): Fault("stacker_low", Action.CLEAR),
        ("stacker", Stacker.EMPTY): Fault("stacker_empty", Action.CLEAR),
        ("retain_bin", RetainBin.FULL): Fault("retain_bin_full", Action.CLEAR),
    },
)
