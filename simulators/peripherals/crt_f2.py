"""Motorised card unit: CREATOR CRT-571, frames of the F2 family.

Written from the F2 description that the CRT-571 programs agree on: ``F2 addr length 43 CM PM data 03 BCC``;
the device acknowledges with 06 or refuses with 15, works, and answers 50 (done) or 4E (failed, E1 E0).
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.people import Permit
from simulators.peripherals.card_path import IN_UNIT, Place, path_of
from simulators.peripherals.chip_card import ANSWER_TO_RESET, Chip
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings, broken_part, xor

ACK, NAK, EOT = b"\x06", b"\x15", 0x04
LONGEST_TEXT = 512  # bytes of CMT..DATA; the longest command is a short APDU
MOVE_S, INIT_S, DRAW_IN_S, QUICK_S = 0.8, 2.0, 0.6, 0.02
BIN_HOLDS, STACKER_LOW = 50, 10
STATUS_REQUEST, SERIAL, CONFIG, VERSION = 0x31, 0xA2, 0xA3, 0xA4
ALLOWED_BEFORE_INIT = {0x30, STATUS_REQUEST, SERIAL, CONFIG, VERSION}


class Refused(Exception):
    """The device's negative answer: two characters E1 E0."""


WRONG_PARAMETER, WRONG_SEQUENCE, NO_HARDWARE, UNDEFINED = Refused("01"), Refused("02"), Refused("03"), Refused("00")
JAM, STACKER_EMPTY, BIN_FULL, NOT_RESET = Refused("10"), Refused("A0"), Refused("A1"), Refused("B0")


class CardUnit:
    """Gate, transport, chip station, stacker and error bin; ``handover`` is the rear position towards a printer."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._path = path_of(around)
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._draw_in_s = DRAW_IN_S / around.speed
        self._address = around.number("address", 0)
        self._handover_pm = around.number("handover_pm", 0x3A)
        self._last_reply = b""
        self._initialised = self._entry_open = self._jammed = False
        self._drawn_at: float | None = None
        self._handed_over = False
        self._offered = ""
        self._chip: Chip | None = None
        self._stacker, self._bin = 100, 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "insert_card": self._insert_card, "withdraw_card": self._withdraw_card,
            "take_card": self._take_card, "jam": self._jam,
            "clear_jam": self._clear_jam, "fill_bin": self._fill_bin, "empty_bin": self._empty_bin,
            "set_stacker": self._set_stacker, "power_cycle": self._power_cycle,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            **self._path.snapshot(),
            "gate_open": self._entry_open, "offered": self._offered,
            "jammed": self._jammed, "stacker": self._stacker, "bin": self._bin,
            "kept": [card.snapshot() for card in self._path.kept],
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        self._draw_in(now)
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._draw_in(now)
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.data:
            answer = self._step(now)
            if answer is None:
                break
            sent += answer
        return sent

    # --- line -----------------------------------------------------------------------------------------------

    def _step(self, now: float) -> Output | None:
        """One control byte or frame taken from the inbox; None when the rest of a frame is missing."""
        data = self._inbox.data
        if data[0] != 0xF2:
            return self._control(self._inbox.take(1)[0], now)
        if len(data) < 5:
            return None
        length = int.from_bytes(data[2:4], "big")
        if data[4] != 0x43 or not 3 <= length <= LONGEST_TEXT:
            self._inbox.drop(1)
            return []
        if len(data) < 6 + length:
            return None
        return self._frame(bytes(data[: 6 + length]), now)

    def _control(self, byte: int, now: float) -> Output:
        if byte == EOT:
            self._last_reply = b""  # the host clears the line: nothing is repeated any more
        elif byte == NAK[0] and self._last_reply:
            return [(now + QUICK_S, self._last_reply)]
        elif byte not in (ACK[0], NAK[0]):
            self._inbox.discarded += 1
        return []

    def _frame(self, frame: bytes, now: float) -> Output:
        if frame[-2] != 0x03 or xor(frame[:-1]) != frame[-1]:
            self._inbox.drop(broken_part(frame))
            return [(now, NAK)]
        self._inbox.take(len(frame))
        if frame[1] != self._address:
            return []
        command, parameter, data = frame[5], frame[6], frame[7:-2]
        seconds, reply = self._reply(command, parameter, data)
        self._last_reply = reply
        return [(now, ACK), (self._pace.done_at(now, seconds), reply)]

    def _reply(self, command: int, parameter: int, data: bytes) -> tuple[float, bytes]:
        seconds = {0x30: INIT_S, 0x32: MOVE_S}.get(command, QUICK_S)
        head = bytes((command, parameter))
        try:
            extra = self._execute(command, parameter, data)
        except Refused as refusal:
            return seconds, self._text(b"\x4e" + head + str(refusal).encode())
        return seconds, self._text(b"\x50" + head + self._states() + extra)

    def _text(self, text: bytes) -> bytes:
        frame = bytes((0xF2, self._address)) + len(text).to_bytes(2, "big") + text + b"\x03"
        return frame + bytes((xor(frame),))

    def _states(self) -> bytes:
        """ST0 card, ST1 stacker, ST2 error bin."""
        at_gate = self._path.place in (Place.ENTERING, Place.GATE)
        card = 0x30 if self._path.place not in IN_UNIT else 0x31 if at_gate else 0x32
        stacker = 0x30 if not self._stacker else 0x31 if self._stacker <= STACKER_LOW else 0x32
        return bytes((card, stacker, 0x31 if self._bin >= BIN_HOLDS else 0x30))

    # --- commands -------------------------------------------------------------------------------------------

    def _execute(self, command: int, parameter: int, data: bytes) -> bytes:
        actions: dict[int, Callable[[int, bytes], bytes]] = {
            0x30: self._init, STATUS_REQUEST: self._status, 0x32: self._move, 0x33: self._entry,
            0x50: self._card_type, 0x51: self._cpu_card, 0xA5: self._bin_counter,
            SERIAL: lambda _pm, _data: f"CRT571{self._around.seed % 10**6:06d}".encode(),
            CONFIG: lambda _pm, _data: b"0000",
            VERSION: lambda _pm, _data: b"CRT-571 V1.00",
        }  # fmt: skip
        if command in (0x52, 0x60):
            raise NO_HARDWARE
        if command not in actions:
            raise UNDEFINED
        if not self._initialised and command not in ALLOWED_BEFORE_INIT:
            raise NOT_RESET
        return actions[command](parameter, data)

    def _init(self, parameter: int, _data: bytes) -> bytes:
        if parameter not in (0x30, 0x31, 0x33, 0x34, 0x35, 0x37):
            raise WRONG_PARAMETER
        if self._jammed:
            raise JAM
        self._initialised, self._entry_open, self._chip = True, False, None
        where = parameter & 0x33  # 34, 35, 37 do the same as 30, 31, 33 and also tell the count of kept cards
        if where == 0x30 and self._path.place in IN_UNIT:
            self._go(Place.HOLD)
        elif where == 0x31 and self._path.place in IN_UNIT:
            self._keep()
        return f"{self._bin:04d}".encode() if parameter & 0x04 else b""

    def _status(self, parameter: int, _data: bytes) -> bytes:
        if parameter not in (0x30, 0x31):
            raise WRONG_PARAMETER
        if self._jammed:
            raise JAM
        if parameter == 0x30:
            return b""
        order = (Place.GATE, Place.RF, Place.CHIP, Place.HOLD, Place.HANDOVER)
        return bytes(0x31 if self._path.place == place else 0x30 for place in order)

    def _move(self, parameter: int, _data: bytes) -> bytes:
        places = {0x30: Place.HOLD, 0x31: Place.CHIP, 0x32: Place.RF, 0x39: Place.GATE}
        if parameter not in (*places, 0x33, self._handover_pm):
            raise WRONG_PARAMETER
        if self._jammed:
            raise JAM
        if self._path.place not in IN_UNIT:
            self._feed(parameter)
        if parameter == 0x33:
            self._keep()
        elif parameter == self._handover_pm:
            self._go(Place.PRINTER)
            self._handed_over = True
        else:
            self._go(places[parameter])
        return b""

    def _feed(self, parameter: int) -> None:
        """No card in the unit: a move takes one from the stacker, unless one is still out at the printer."""
        if self._handed_over and self._path.place == Place.PRINTER:
            raise WRONG_SEQUENCE
        if parameter == 0x33:
            raise WRONG_SEQUENCE
        if not self._stacker:
            raise STACKER_EMPTY
        self._stacker -= 1
        self._path.put(Permit(), Place.HOLD)

    def _go(self, place: Place) -> None:
        self._path.place, self._drawn_at = place, None
        self._handed_over = place == Place.PRINTER
        if place != Place.CHIP:
            self._chip = None

    def _keep(self) -> None:
        if self._bin >= BIN_HOLDS:
            raise BIN_FULL
        self._bin += 1
        self._go(Place.NONE)
        self._path.kept.append(self._path.take_out())

    def _entry(self, parameter: int, _data: bytes) -> bytes:
        if parameter not in (0x30, 0x31):
            raise WRONG_PARAMETER
        self._entry_open = parameter == 0x30
        self._swallow()
        return b""

    def _card_type(self, _parameter: int, _data: bytes) -> bytes:
        if self._path.place not in (Place.CHIP, Place.HOLD, Place.RF):
            raise WRONG_SEQUENCE
        return b"10"  # CPU card, T=0

    def _cpu_card(self, parameter: int, data: bytes) -> bytes:
        if self._path.card is None or self._path.place != Place.CHIP:
            raise WRONG_SEQUENCE
        if parameter == 0x30:
            self._chip = Chip(self._path.card)
            return b"0" + ANSWER_TO_RESET
        if parameter == 0x31:
            self._chip = None
            return b""
        if parameter != 0x39:
            raise WRONG_PARAMETER
        if self._chip is None:
            raise WRONG_SEQUENCE
        return self._chip.apdu(data)

    def _bin_counter(self, parameter: int, _data: bytes) -> bytes:
        if parameter == 0x31:
            self._bin = 0
        elif parameter != 0x30:
            raise WRONG_PARAMETER
        return f"{self._bin:04d}".encode()

    # --- people ---------------------------------------------------------------------------------------------

    def _draw_in(self, now: float) -> None:
        if self._path.place != Place.ENTERING:
            return
        if self._drawn_at is None:
            self._drawn_at = now + self._draw_in_s
        elif now >= self._drawn_at:
            self._go(Place.HOLD)

    def _insert_card(self, person: str) -> dict[str, bool]:
        """Push the permit against the gate: it goes in now, or as soon as the gate opens."""
        if self._path.card is not None:
            raise ButtonRefused(f"insert_card: expected an empty path, a card is at {self._path.place}")
        self._offered = self._around.people.person(person).key
        self._swallow()
        return {"accepted": not self._offered}

    def _swallow(self) -> None:
        if self._offered and self._entry_open and not self._jammed and self._path.card is None:
            self._path.put(self._around.people.permit(self._offered), Place.ENTERING)
            self._offered, self._drawn_at = "", None

    def _withdraw_card(self) -> None:
        self._offered = ""

    def _take_card(self) -> dict[str, object]:
        if self._path.place != Place.GATE:
            raise ButtonRefused(f"take_card: expected a card in the gate, place is {self._path.place}")
        return self._path.take_out().snapshot()

    def _jam(self) -> None:
        self._jammed = True

    def _clear_jam(self) -> None:
        self._jammed = False

    def _fill_bin(self) -> None:
        self._bin = BIN_HOLDS

    def _empty_bin(self) -> list[dict[str, object]]:
        self._bin, kept = 0, self._path.kept[:]
        self._path.kept.clear()
        return [card.snapshot() for card in kept]

    def _set_stacker(self, cards: int) -> None:
        self._stacker = cards

    def _power_cycle(self) -> None:
        self._initialised = self._entry_open = False
        self._last_reply, self._chip = b"", None


def open_peer(around: Surroundings) -> CardUnit:
    """A card unit after power-on: it wants to be initialised."""
    return CardUnit(around)
