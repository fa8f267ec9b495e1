"""Motorised card reader: CREATOR CRT-310, frames that start with 02.

Written from the description of the older CREATOR protocol and the parameter tables of its library: ``02 length CM PM
data 03 BCC``; the reader says 06 or 15, works when it hears 05 (ENQ), answers ``CM PM data`` or ``4E CM error``.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.card_mouth import CardMouth
from simulators.peripherals.card_path import IN_UNIT, Place, path_of
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings, broken_part, xor

STX, ETX, ENQ, ACK, NAK = 0x02, 0x03, 0x05, b"\x06", b"\x15"
LONGEST_TEXT = 512
MOVE_S, RESET_S, QUICK_S = 0.8, 1.5, 0.02
UNDEFINED, WRONG_PARAMETER, NOT_NOW, WRONG_LENGTH = 0x00, 0x01, 0x02, 0x06
DONE, FAILED, NO_CARD = b"\x59", b"\x4e", b"\x45"
THIN_CARD, BY_STRIPE, ANY_CARD, NOTHING = 0x4B, 0x49, 0x4A, 0x4E  # what opens the shutter
PLACES = {
    Place.NONE: 0x4E, Place.PRINTER: 0x4E, Place.ENTERING: 0x49, Place.GATE: 0x48, Place.HOLD: 0x4A, Place.RF: 0x4A,
    Place.CHIP: 0x4B, Place.HANDOVER: 0x4D,
}  # fmt: skip
TARGETS = {0x2E: Place.HOLD, 0x2F: Place.CHIP, 0x30: Place.GATE, 0x31: Place.GATE, 0x32: Place.HANDOVER}
HELD = {Place.GATE: 0x49, Place.HANDOVER: 0x4C}  # between the rollers, after PM 31 or 32

Answer = tuple[float, bytes]
"""(seconds of work, text from CM to the end of the data)."""


class Refused(Exception):
    """The reader's negative answer: one byte."""


class CardReader:
    """Shutter at the front; at the rear a bin, or the card printer (option ``rear``)."""

    def __init__(self, around: Surroundings) -> None:
        self._path = path_of(around)
        self._mouth = CardMouth(around, self._path)
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._to_printer = around.word("rear", "bin") == "printer"
        self._serial = around.seed % 10**6
        self._waiting = b""  # a command that was acknowledged and waits for ENQ
        self._last_reply = b""
        self._jammed = self._held = False
        self._bin = 0
        self._entry(0x33, b"\x30")

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            **self._mouth.buttons, "jam": self._jam, "clear_jam": self._clear_jam,
            "empty_bin": self._empty_bin, "power_cycle": self._power_cycle,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            **self._path.snapshot(), **self._mouth.snapshot(),
            "jammed": self._jammed, "bin": self._bin, "kept": [card.snapshot() for card in self._path.kept],
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        self._mouth.draw_in(now)
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._mouth.draw_in(now)
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.data:
            answer = self._step(now)
            if answer is None:
                break
            sent += answer
        return sent

    def _step(self, now: float) -> Output | None:
        """One control byte or frame taken from the inbox; None when the rest of a frame is missing."""
        data = self._inbox.data
        if data[0] != STX:
            return self._control(self._inbox.take(1)[0], now)
        if len(data) < 3:
            return None
        length = int.from_bytes(data[1:3], "big")
        if not 2 <= length <= LONGEST_TEXT:
            self._inbox.drop(1)
            return []
        if len(data) < length + 5:
            return None
        return self._frame(bytes(data[: length + 5]), now)

    def _control(self, byte: int, now: float) -> Output:
        if byte == ENQ and self._waiting:
            command, self._waiting = self._waiting, b""
            seconds, text = self._work(command)
            frame = bytes((STX,)) + len(text).to_bytes(2, "big") + text + bytes((ETX,))
            self._last_reply = frame + bytes((xor(frame),))
            return [(self._pace.done_at(now, seconds), self._last_reply)]
        if byte == NAK[0] and self._last_reply:
            return [(now + QUICK_S, self._last_reply)]
        if byte not in (ACK[0], NAK[0], ENQ):
            self._inbox.discarded += 1
        return []

    def _frame(self, frame: bytes, now: float) -> Output:
        if frame[-2] != ETX or xor(frame[:-1]) != frame[-1]:
            self._inbox.drop(broken_part(frame))
            return [(now, NAK)]
        self._inbox.take(len(frame))
        self._waiting = frame[3:-2]
        return [(now, ACK)]

    def _work(self, text: bytes) -> Answer:
        command, parameter, data = text[0], text[1], text[2:]
        seconds = {0x30: RESET_S, 0x32: MOVE_S}.get(command, QUICK_S)
        actions = {0x2F: self._entry, 0x30: self._reset, 0x31: self._status, 0x32: self._move}
        try:
            if command not in actions:
                raise Refused(UNDEFINED)
            return seconds, text[:2] + actions[command](parameter, data)
        except Refused as refusal:
            return seconds, bytes((0x4E, command, refusal.args[0]))

    def _entry(self, parameter: int, data: bytes) -> bytes:
        """2F: what opens the shutter, and whether a card may come from behind."""
        shown = {0x31: NOTHING, 0x32: BY_STRIPE, 0x33: ANY_CARD, 0x34: THIN_CARD}
        if parameter not in shown or data not in (b"\x30", b"\x31"):
            raise Refused(WRONG_PARAMETER)
        self._front, self._rear_open = shown[parameter], data == b"\x30"
        self._mouth.open(parameter != 0x31)
        return DONE

    def _reset(self, parameter: int, _data: bytes) -> bytes:
        if parameter == 0x3A:
            number = f"CR310{self._serial:06d}".encode()
            return DONE + bytes((len(number),)) + number
        if parameter not in (0x30, 0x31, 0x32):
            raise Refused(WRONG_PARAMETER)
        self._entry(0x33, b"\x30")  # as after power-on
        if parameter != 0x30 and self._path.place in IN_UNIT:
            self._move({0x31: 0x30, 0x32: 0x33}[parameter], b"")
        return b"CRT-310 V3.0"

    def _status(self, parameter: int, _data: bytes) -> bytes:
        """31: place, front, rear (PM 30), or five card sensors, shutter and switch (PM 2F)."""
        if parameter == 0x30:
            held = HELD.get(self._path.place) if self._held else None
            place = 0x46 if self._jammed else held or PLACES[self._path.place]
            return bytes((place, self._front, ANY_CARD if self._rear_open else NOTHING))
        if parameter != 0x2F:
            raise Refused(WRONG_PARAMETER)
        order = (Place.GATE, Place.ENTERING, Place.HOLD, Place.CHIP, Place.HANDOVER)
        sensors = bytes(0x31 if self._jammed or self._path.place == place else 0x30 for place in order)
        return sensors + (b"\x31" if self._mouth.is_open else b"\x30") + b"\x30"

    def _move(self, parameter: int, _data: bytes) -> bytes:
        """32: bring the card somewhere; the answer says how it went."""
        if parameter not in (*TARGETS, 0x33):
            raise Refused(WRONG_PARAMETER)
        if self._jammed:
            return FAILED
        if self._path.place not in IN_UNIT:
            return NO_CARD
        self._held = parameter in (0x31, 0x32)
        if parameter != 0x33:
            self._mouth.go(TARGETS[parameter])
        elif self._to_printer:
            self._mouth.go(Place.PRINTER)
        else:
            self._bin += 1
            self._path.kept.append(self._path.take_out())
        return DONE

    def _jam(self) -> None:
        """Something stands across the sensors: told as a card that is too long."""
        self._jammed = self._mouth.blocked = True

    def _clear_jam(self) -> None:
        self._jammed = self._mouth.blocked = False

    def _empty_bin(self) -> list[dict[str, object]]:
        self._bin, kept = 0, self._path.kept[:]
        self._path.kept.clear()
        return [card.snapshot() for card in kept]

    def _power_cycle(self) -> None:
        self._waiting = self._last_reply = b""
        self._entry(0x33, b"\x30")


def open_peer(around: Surroundings) -> CardReader:
    """A reader after power-on: it lets any card in."""
    return CardReader(around)
