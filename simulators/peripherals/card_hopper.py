"""The mechanics of a card dispenser: hopper, rollers, mouth and bin. No bytes of the line here."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Pace

HOLDS, LOW, BIN_HOLDS = 170, 10, 50
MOVE_S = 1.2


class At(StrEnum):
    """The one card that has left the hopper."""

    NOWHERE = "nowhere"
    LEAVING = "leaving"
    MOUTH = "mouth"
    RETURNING = "returning"


class CardHopper:
    """One movement at a time; ``settle`` ends the one whose time has come. ``failed`` until a reset or cleared jam."""

    def __init__(self, speed: float) -> None:
        self._pace = Pace(speed)
        self.cards, self.kept = HOLDS, 0
        self.at = At.NOWHERE
        self.jammed = self.failed = False
        self.dispensed_total = self.taken_total = self.kept_total = 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        """What a citizen, hall staff and mishap can do."""
        return {
            "take_card": self._take_card, "set_stacker": self._set_stacker,
            "jam": self._jam, "clear_jam": self._clear_jam,
        }  # fmt: skip

    @property
    def bin_buttons(self) -> Mapping[str, Callable[..., Any]]:
        """The same for a dispenser that has a bin."""
        return {"fill_bin": self._fill_bin, "empty_bin": self._empty_bin}

    @property
    def bin_full(self) -> bool:
        """No further card can be kept."""
        return self.kept >= BIN_HOLDS

    @property
    def low(self) -> bool:
        """Few cards left, or none."""
        return self.cards <= LOW

    def snapshot(self) -> dict[str, Any]:
        """What an onlooker sees."""
        return {
            "position": str(self.at), "stacker": self.cards, "bin": self.kept, "jammed": self.jammed,
            "dispensed_total": self.dispensed_total, "taken_total": self.taken_total, "kept_total": self.kept_total,
        }  # fmt: skip

    def dispense(self, now: float) -> bool:
        """Begin to bring a card to the mouth; False when that cannot be."""
        if self.jammed or self.failed or not self.cards or self.at != At.NOWHERE:
            return False
        self.cards -= 1
        self._start(At.LEAVING, now)
        return True

    def call_back(self, now: float) -> bool:
        """Begin to take the card from the mouth into the bin; False when that cannot be."""
        if self.jammed or self.bin_full or self.at != At.MOUTH:
            return False
        self._start(At.RETURNING, now)
        return True

    def settle(self, now: float) -> At | None:
        """The movement that ended just now, if one did well."""
        if self.at not in (At.LEAVING, At.RETURNING) or self._pace.busy(now):
            return None
        ended = self.at
        if self.jammed:
            self.failed = True
            return None
        if ended == At.LEAVING:
            self.at = At.MOUTH
            self.dispensed_total += 1
        else:
            self.at = At.NOWHERE
            self.kept += 1
            self.kept_total += 1
        return ended

    def reset(self) -> None:
        """The failure is forgotten; a jam is not."""
        self.failed = self.jammed
        if not self.jammed and self.at in (At.LEAVING, At.RETURNING):
            self.at = At.MOUTH

    def power_off(self) -> None:
        """A card on its way stays where it is: in sight of the mouth."""
        self.failed = False
        if self.at in (At.LEAVING, At.RETURNING):
            self.at = At.MOUTH

    def _start(self, movement: At, now: float) -> None:
        self.at = movement
        self._pace.done_at(now, MOVE_S)

    def _take_card(self) -> dict[str, int]:
        if self.at != At.MOUTH:
            raise ButtonRefused(f"take_card: expected a card in the mouth, it is {self.at}")
        self.at = At.NOWHERE
        self.taken_total += 1
        return {"taken_total": self.taken_total}

    def _set_stacker(self, cards: int) -> None:
        self.cards = cards

    def _jam(self) -> None:
        self.jammed = True

    def _clear_jam(self) -> None:
        """The crew takes out what is stuck, and presses reset."""
        if self.at in (At.LEAVING, At.RETURNING):
            self.at = At.NOWHERE
        self.jammed = self.failed = False

    def _fill_bin(self) -> None:
        self.kept = BIN_HOLDS

    def _empty_bin(self) -> None:
        self.kept = 0
