"""The card's way through a machine: one truth for the card unit and for the card printer behind it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from simulators.errors import SimulatorError
from simulators.people import Permit
from simulators.peripherals.peer import Surroundings


class Place(StrEnum):
    """Where the one card stands."""

    NONE = "none"
    ENTERING = "entering"  # pushed in by the citizen, being drawn in
    GATE = "gate"  # brought out, held until it is taken
    HOLD = "hold"
    CHIP = "chip"
    RF = "rf"
    PRINTER = "printer"  # inside the card printer
    HANDOVER = "handover"  # given back by the printer, at the rear of the card unit


IN_UNIT = frozenset({Place.ENTERING, Place.GATE, Place.HOLD, Place.CHIP, Place.RF, Place.HANDOVER})


@dataclass
class CardPath:
    """The card in the machine, its place, and the cards that the machine kept."""

    card: Permit | None = None
    place: Place = Place.NONE
    kept: list[Permit] = field(default_factory=list)

    def put(self, card: Permit, place: Place) -> None:
        """A card comes into the path."""
        self.card, self.place = card, place

    def take_out(self) -> Permit:
        """The card leaves the path."""
        if self.card is None:
            raise SimulatorError(f"card path: expected a card, it is empty (place {self.place})")
        card, self.card, self.place = self.card, None, Place.NONE
        return card

    def snapshot(self) -> dict[str, Any]:
        """The card and where it is."""
        return {"position": str(self.place), "card": self.card.snapshot() if self.card else None}


def path_of(around: Surroundings) -> CardPath:
    """The machine's card path; the first device that asks makes it."""
    path = around.shared.setdefault("card_path", CardPath())
    if not isinstance(path, CardPath):
        raise SimulatorError(f"shared['card_path']: expected CardPath, got {type(path).__name__}")
    return path
