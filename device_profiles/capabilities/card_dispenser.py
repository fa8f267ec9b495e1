"""Card dispenser (XFS4IoT CardReader with a dispense unit and no reader): gives cards out of its stacker."""

from enum import StrEnum

from pydantic import Field

from device_profiles.capabilities.card_reader import RetainBin, Stacker
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
)


class DispensedCard(StrEnum):
    """The card on its way (XFS4IoT CardReader.Status.media); ``exiting`` is a card in the mouth."""

    PRESENT = "present"
    NOT_PRESENT = "not_present"
    EXITING = "exiting"
    JAMMED = "jammed"
    UNKNOWN = "unknown"


class LastMove(StrEnum):
    """What the dispenser itself remembers to have done with a card since it was last told to forget."""

    NONE = "none"
    DISPENSED = "dispensed"
    RETAINED = "retained"
    UNDER_WAY = "under_way"


class CardDispenserStatus(Status):
    """Status of a dispenser. ``last_move`` is evidence for an unknown movement."""

    media: DispensedCard | None = None
    stacker: Stacker | None = None
    retain_bin: RetainBin | None = None
    last_move: LastMove | None = None


class DispenseArgs(Shape):
    """Bring one card to the mouth and wait up to ``wait_taken_s`` for the citizen to take it."""

    wait_taken_s: float = Field(default=30.0, ge=0, le=600)


class DispenseOutput(Shape):
    """``taken`` is False when the card still stands in the mouth, None when the dispenser cannot see it."""

    taken: bool | None = None


def _moved(before: LastMove, move: LastMove) -> Position:
    """A card in the mouth counts as dispensed until it was kept."""
    still = frozenset({before})
    return Position("last_move", at=still, done=frozenset({move}), not_done=still)


CARD_DISPENSER = Capability(
    name="card_dispenser",
    status=CardDispenserStatus,
    commands=commands(
        Command("dispense", Effect.ONCE, DispenseArgs, DispenseOutput, _moved(LastMove.NONE, LastMove.DISPENSED)),
        Command("retain", Effect.ONCE, evidence=_moved(LastMove.DISPENSED, LastMove.RETAINED)),
        Command("reset", Effect.IDEMPOTENT, disruptive=True),
    ),
    faults={
        ("media", DispensedCard.JAMMED): Fault("media_jam", Action.MAINTENANCE),
        ("stacker", Stacker.LOW): Fault("stacker_low", Action.CLEAR),
        ("stacker", Stacker.EMPTY): Fault("stacker_empty", Action.CLEAR),
        ("retain_bin", RetainBin.FULL): Fault("retain_bin_full", Action.CLEAR),
    },
)
