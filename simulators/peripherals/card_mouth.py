"""The mouth of a card unit: a citizen's hand, a shutter, and rollers that draw a card in."""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.card_path import CardPath, Place
from simulators.peripherals.peer import Surroundings

DRAW_IN_S = 0.6


class CardMouth:
    """A card that is offered goes in when the shutter is open, the path is empty and nothing blocks the rollers."""

    def __init__(self, around: Surroundings, path: CardPath) -> None:
        self._people = around.people
        self._path = path
        self._draw_in_s = DRAW_IN_S / around.speed
        self._drawn_at: float | None = None
        self._offered = ""
        self.is_open = self.blocked = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        """What a citizen can do."""
        return {
            "insert_card": self._insert_card,
            "withdraw_card": self._withdraw_card,
            "take_card": self._take_card,
        }

    def snapshot(self) -> dict[str, Any]:
        """What an onlooker sees of it."""
        return {"gate_open": self.is_open, "offered": self._offered}

    def open(self, wide: bool) -> None:
        """Open or shut it."""
        self.is_open = wide
        self._swallow()

    def go(self, place: Place) -> None:
        """The rollers bring the card there."""
        self._path.place, self._drawn_at = place, None

    def draw_in(self, now: float) -> None:
        """Let the rollers take a card that has been pushed in; they need a moment."""
        if self._path.place != Place.ENTERING:
            return
        if self._drawn_at is None:
            self._drawn_at = now + self._draw_in_s
        elif now >= self._drawn_at:
            self.go(Place.HOLD)

    def _insert_card(self, person: str) -> dict[str, bool]:
        if self._path.card is not None:
            raise ButtonRefused(f"insert_card: expected an empty path, a card is at {self._path.place}")
        self._offered = self._people.person(person).key
        self._swallow()
        return {"accepted": not self._offered}

    def _swallow(self) -> None:
        if self._offered and self.is_open and not self.blocked and self._path.card is None:
            self._path.put(self._people.permit(self._offered), Place.ENTERING)
            self._offered, self._drawn_at = "", None

    def _withdraw_card(self) -> None:
        self._offered = ""

    def _take_card(self) -> dict[str, object]:
        if self._path.place != Place.GATE:
            raise ButtonRefused(f"take_card: expected a card in the gate, place is {self._path.place}")
        return self._path.take_out().snapshot()
