"""Rewritable card printer with a magnetic head: Sanwa CRP-1231, the LR model with a dispenser.

Written from the description that the emulators of the unit agree on: ``02 CNT CMD 00 00 00 data 03 SUM``; 06 or 15; to
every 05 (ENQ) ``02 CNT CMD R P S data 03 SUM`` of the last command, S = 33h while it runs. The stripe is not simulated.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.people import Permit
from simulators.peripherals.card_path import Place, path_of
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings, broken_part, xor

STX, ETX, ENQ, ACK, NAK = 0x02, 0x03, 0x05, b"\x06", b"\x15"
SHORTEST = 6
OK, JAM, ILLEGAL_DATA = 0x30, 0x33, 0x38  # P
IDLE, ILLEGAL, RUNNING, DISPENSER_EMPTY, DISPENSER_FULL = 0x30, 0x32, 0x33, 0x35, 0x37  # S
NO_CARD, AT_HEAD, AT_THERMAL_HEAD, EJECTED = 0x30, 0x31, 0x32, 0x34  # R
ANSWER_S, QUICK_S = 0.02, 0.05
SECONDS = {0x10: 1.5, 0x7C: 2.5, 0x7D: 2.0, 0x80: 0.8, 0xB0: 1.0}
LOOK = b"\x32"  # data of B0: look into the dispenser, move nothing
STACKER_HOLDS = 100

Result = tuple[int, int, bytes]
"""(P, S, data) when the command has ended."""


class CardPrinter:
    """The printer behind a card unit; a card that is pushed in is drawn to the first head by itself."""

    def __init__(self, around: Surroundings) -> None:
        self._path = path_of(around)
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._charset = around.word("charset", "shift_jis")
        self._command = 0
        self._running: tuple[float, bytes] | None = None  # (when it ends, data of the command)
        self._result: Result = (OK, IDLE, b"")
        self._printed_here = self._jammed = False
        self._stacker = STACKER_HOLDS
        self._printed = self._erased = 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "jam": self._jam, "clear_jam": self._clear_jam, "set_stacker": self._set_stacker,
            "power_cycle": self._power_cycle, "take_out": self._take_out,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            **self._path.snapshot(), "jammed": self._jammed, "stacker": self._stacker,
            "printed_total": self._printed, "erased_total": self._erased,
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        if self._running is not None and now >= self._running[0]:
            data, self._running = self._running[1], None
            self._result = self._carry_out(data)
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self.advance(now)
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.data:
            first = self._inbox.data[0]
            if first == ENQ:
                self._inbox.take(1)
                sent.append((now + ANSWER_S, self._answer()))
            elif first != STX:
                self._inbox.drop(1)
            elif len(self._inbox.data) < 2 or len(self._inbox.data) < self._inbox.data[1] + 2:
                break
            else:
                sent += self._frame(bytes(self._inbox.data[: self._inbox.data[1] + 2]), now)
        return sent

    def _frame(self, frame: bytes, now: float) -> Output:
        if frame[1] < SHORTEST or frame[-2] != ETX or xor(frame[1:-1]) != frame[-1]:
            self._inbox.drop(broken_part(frame))
            return [(now, NAK)]
        self._inbox.take(len(frame))
        if self._running is not None:
            return [(now, NAK)]
        self._command = frame[2]
        data = frame[6:-2]
        seconds = QUICK_S if data == LOOK else SECONDS.get(frame[2], QUICK_S)
        self._running = (self._pace.done_at(now, seconds), data)
        return [(now, ACK)]

    def _answer(self) -> bytes:
        trouble, job, data = (OK, RUNNING, b"") if self._running is not None else self._result
        if self._jammed and self._running is None:
            trouble = JAM
        text = bytes((self._command, self._place(), trouble, job)) + data
        body = bytes((len(text) + 2,)) + text + bytes((ETX,))
        return bytes((STX,)) + body + bytes((xor(body),))

    def _place(self) -> int:
        if self._path.place == Place.PRINTER:
            return AT_THERMAL_HEAD if self._printed_here else AT_HEAD
        return EJECTED if self._path.place == Place.HANDOVER else NO_CARD

    def _carry_out(self, data: bytes) -> Result:
        actions: dict[int, Callable[[bytes], Result]] = {
            0x10: self._initialise, 0x20: lambda _data: (OK, IDLE, b""), 0x40: lambda _data: (OK, IDLE, b""),
            0x7C: self._print, 0x7D: self._erase, 0x80: self._eject, 0xB0: self._dispense,
            0xF0: lambda _data: (OK, IDLE, b"AP:CRP-1231LR,OS:V1.00"),
        }  # fmt: skip
        action = actions.get(self._command)
        return action(data) if action else (OK, ILLEGAL, b"")

    def _blocked(self) -> Result | None:
        """None, or why nothing can be done to a card."""
        if self._jammed:
            return JAM, IDLE, b""
        return None if self._path.place == Place.PRINTER and self._path.card else (OK, ILLEGAL, b"")

    def _initialise(self, _data: bytes) -> Result:
        if self._jammed:
            return JAM, IDLE, b""
        self._printed_here = False
        return OK, IDLE, b""

    def _erase(self, _data: bytes) -> Result:
        if (trouble := self._blocked()) is not None or self._path.card is None:
            return trouble or (OK, ILLEGAL, b"")
        self._path.card.face.clear()
        self._erased += 1
        self._printed_here = True
        return OK, IDLE, b""

    def _print(self, data: bytes) -> Result:
        if (trouble := self._blocked()) is not None or self._path.card is None:
            return trouble or (OK, ILLEGAL, b"")
        if len(data) < 3 or data[0] != 0x31:
            return ILLEGAL_DATA, IDLE, b""
        text = data[3:].decode(self._charset, errors="replace")
        self._path.card.face.extend(line for line in text.split("\r") if line)
        self._printed += 1
        self._printed_here = True
        return OK, IDLE, b""

    def _eject(self, _data: bytes) -> Result:
        if (trouble := self._blocked()) is not None:
            return trouble
        self._path.place = Place.HANDOVER
        self._printed_here = False
        return OK, IDLE, b""

    def _dispense(self, data: bytes) -> Result:
        if data == LOOK or not self._stacker:
            return OK, DISPENSER_FULL if self._stacker else DISPENSER_EMPTY, b""
        if self._jammed or self._path.card is not None:
            return (JAM, IDLE, b"") if self._jammed else (OK, ILLEGAL, b"")
        self._stacker -= 1
        self._path.put(Permit(), Place.PRINTER)
        return OK, IDLE, b""

    def _jam(self) -> None:
        self._jammed = True

    def _clear_jam(self) -> None:
        self._jammed = False

    def _set_stacker(self, cards: int) -> None:
        self._stacker = cards

    def _take_out(self) -> dict[str, object]:
        """A hand takes the card that was given back, where no card unit stands before the printer."""
        if self._path.place != Place.HANDOVER:
            raise ButtonRefused(f"take_out: expected a card given back, place is {self._path.place}")
        return self._path.take_out().snapshot()

    def _power_cycle(self) -> None:
        """What was under way is not done, and nobody remembers it."""
        self._command, self._running, self._result = 0, None, (OK, IDLE, b"")


def open_peer(around: Surroundings) -> CardPrinter:
    """A card printer with a full dispenser."""
    return CardPrinter(around)
