"""The mechanics of the card unit: gate, transport, chip station, stacker and error bin. No bytes of the line here.

Commands take PM and data and return the data of the positive answer, or raise ``Refused`` with E1 E0.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.people import Permit
from simulators.peripherals.card_mouth import CardMouth
from simulators.peripherals.card_path import IN_UNIT, Place, path_of
from simulators.peripherals.chip_card import ANSWER_TO_RESET, Chip
from simulators.peripherals.peer import Surroundings

BIN_HOLDS, STACKER_HOLDS, STACKER_LOW = 50, 100, 10
UNDEFINED, WRONG_PARAMETER, WRONG_SEQUENCE, NO_HARDWARE, JAM = "00", "01", "02", "03", "10"
STACKER_EMPTY, BIN_FULL, NOT_RESET = "A0", "A1", "B0"


class Refused(Exception):
    """The unit's negative answer: two characters E1 E0."""


class CardWorks:
    """One card at most; ``handover_pm`` names the rear position where the card printer takes it."""

    def __init__(self, around: Surroundings) -> None:
        self._path = path_of(around)
        self._mouth = CardMouth(around, self._path)
        self._handover_pm = around.number("handover_pm", 0x3A)
        self.initialised = False
        self._jammed = False
        self._chip: Chip | None = None
        self._stacker, self._bin = STACKER_HOLDS, 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        """What a citizen and hall staff can do."""
        return {
            **self._mouth.buttons,
            "jam": self._jam, "clear_jam": self._clear_jam, "fill_bin": self._fill_bin,
            "empty_bin": self._empty_bin, "set_stacker": self._set_stacker,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """What an onlooker sees."""
        return {
            **self._path.snapshot(), **self._mouth.snapshot(), "jammed": self._jammed,
            "stacker": self._stacker, "bin": self._bin, "kept": [card.snapshot() for card in self._path.kept],
        }  # fmt: skip

    def power_off(self) -> None:
        """The works forget everything that is not a card."""
        self.initialised = False
        self._mouth.open(False)
        self._chip = None

    def states(self) -> bytes:
        """ST0 card, ST1 stacker, ST2 error bin."""
        at_gate = self._path.place in (Place.ENTERING, Place.GATE)
        card = 0x30 if self._path.place not in IN_UNIT else 0x31 if at_gate else 0x32
        stacker = 0x30 if not self._stacker else 0x31 if self._stacker <= STACKER_LOW else 0x32
        return bytes((card, stacker, 0x31 if self._bin >= BIN_HOLDS else 0x30))

    def init(self, parameter: int, _data: bytes) -> bytes:
        """CM 30: find out what is inside, and do with it what PM says."""
        if parameter not in (0x30, 0x31, 0x33, 0x34, 0x35, 0x37):
            raise Refused(WRONG_PARAMETER)
        if self._jammed:
            raise Refused(JAM)
        self.initialised, self._chip = True, None
        self._mouth.open(False)
        where = parameter & 0x33  # 34, 35, 37 do the same as 30, 31, 33 and also tell the count of kept cards
        if where == 0x30 and self._path.place in IN_UNIT:
            self._go(Place.HOLD)
        elif where == 0x31 and self._path.place in IN_UNIT:
            self._keep()
        return f"{self._bin:04d}".encode() if parameter & 0x04 else b""

    def status(self, parameter: int, _data: bytes) -> bytes:
        """CM 31: the states (PM 30), or the sensors one by one (PM 31)."""
        if parameter not in (0x30, 0x31):
            raise Refused(WRONG_PARAMETER)
        if self._jammed:
            raise Refused(JAM)
        if parameter == 0x30:
            return b""
        order = (Place.GATE, Place.RF, Place.CHIP, Place.HOLD, Place.HANDOVER)
        return bytes(0x31 if self._path.place == place else 0x30 for place in order)

    def move(self, parameter: int, _data: bytes) -> bytes:
        """CM 32: bring the card somewhere."""
        places = {0x30: Place.HOLD, 0x31: Place.CHIP, 0x32: Place.RF, 0x39: Place.GATE}
        if parameter not in (*places, 0x33, self._handover_pm):
            raise Refused(WRONG_PARAMETER)
        if self._jammed:
            raise Refused(JAM)
        if self._path.place not in IN_UNIT:
            self._feed(parameter)
        if parameter == 0x33:
            self._keep()
        elif parameter == self._handover_pm:
            self._go(Place.PRINTER)
        else:
            self._go(places[parameter])
        return b""

    def _feed(self, parameter: int) -> None:
        """No card in the unit: a move takes one from the stacker, unless one is still out at the printer."""
        if self._path.place == Place.PRINTER or parameter == 0x33:
            raise Refused(WRONG_SEQUENCE)
        if not self._stacker:
            raise Refused(STACKER_EMPTY)
        self._stacker -= 1
        self._path.put(Permit(), Place.HOLD)

    def _go(self, place: Place) -> None:
        self._mouth.go(place)
        if place != Place.CHIP:
            self._chip = None

    def _keep(self) -> None:
        if self._bin >= BIN_HOLDS:
            raise Refused(BIN_FULL)
        self._bin += 1
        self._go(Place.NONE)
        self._path.kept.append(self._path.take_out())

    def entry(self, parameter: int, _data: bytes) -> bytes:
        """CM 33: open or shut the gate for a card from outside."""
        if parameter not in (0x30, 0x31):
            raise Refused(WRONG_PARAMETER)
        self._mouth.open(parameter == 0x30)
        return b""

    def card_type(self, _parameter: int, _data: bytes) -> bytes:
        """CM 50."""
        if self._path.place not in (Place.CHIP, Place.HOLD, Place.RF):
            raise Refused(WRONG_SEQUENCE)
        return b"10"  # CPU card, T=0

    def cpu_card(self, parameter: int, data: bytes) -> bytes:
        """CM 51: power the chip, switch it off, or exchange an APDU."""
        if self._path.card is None or self._path.place != Place.CHIP:
            raise Refused(WRONG_SEQUENCE)
        if parameter == 0x30:
            self._chip = Chip(self._path.card)
            return b"0" + ANSWER_TO_RESET
        if parameter == 0x31:
            self._chip = None
            return b""
        if parameter != 0x39:
            raise Refused(WRONG_PARAMETER)
        if self._chip is None:
            raise Refused(WRONG_SEQUENCE)
        return self._chip.apdu(data)

    def bin_counter(self, parameter: int, _data: bytes) -> bytes:
        """CM A5: how many cards were kept, or count from zero again."""
        if parameter == 0x31:
            self._bin = 0
        elif parameter != 0x30:
            raise Refused(WRONG_PARAMETER)
        return f"{self._bin:04d}".encode()

    def draw_in(self, now: float) -> None:
        """Let the rollers take a card that has been pushed in; they need a moment."""
        self._mouth.draw_in(now)

    def _jam(self) -> None:
        self._jammed = self._mouth.blocked = True

    def _clear_jam(self) -> None:
        self._jammed = self._mouth.blocked = False

    def _fill_bin(self) -> None:
        self._bin = BIN_HOLDS

    def _empty_bin(self) -> list[dict[str, object]]:
        self._bin, kept = 0, self._path.kept[:]
        self._path.kept.clear()
        return [card.snapshot() for card in kept]

    def _set_stacker(self, cards: int) -> None:
        self._stacker = cards
