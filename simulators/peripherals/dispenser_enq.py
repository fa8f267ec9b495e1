"""Card dispenser that works on ENQ: QUIO QU-CD-720M.

Written from its manual 3.19, chapter 3.5: ``02 C1 C2 03 BCC``; 06 or 15; the command is carried out when the host says
05; RF, PB, PC and GV are answered with ``02 R1 R2 D1 D2 D3 03 BCC``. The older edition knows only DC, CP, RF and ST
(simulator option ``edition = "old"``).
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.card_hopper import At, CardHopper
from simulators.peripherals.peer import Inbox, Output, Surroundings, broken_part, xor

STX, ETX, ENQ, ACK, NAK = 0x02, 0x03, 0x05, b"\x06", b"\x15"
SIZE = 5
ANSWER_S = 0.03
OLD = (b"DC", b"CP", b"RF", b"ST")
NEW = (*OLD, b"PB", b"PC", b"GV")


class Dispenser:
    """The dispenser on its line. A card always lies ready in front of the hopper while there is one."""

    def __init__(self, around: Surroundings) -> None:
        self._hopper = CardHopper(around.speed)
        self._inbox = Inbox()
        self._known = OLD if around.word("edition", "new") == "old" else NEW
        self._waiting = b""  # a command that was acknowledged and waits for ENQ
        self._taken_seen = self._kept_seen = 0  # counts at the last PC
        self._refused = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**self._hopper.buttons, **self._hopper.bin_buttons, "power_cycle": self._power_cycle}

    def snapshot(self) -> dict[str, Any]:
        return self._hopper.snapshot()

    def advance(self, now: float) -> Output:
        self._hopper.settle(now)
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self.advance(now)
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.data:
            if self._inbox.data[0] != STX:
                sent += self._control(self._inbox.take(1)[0], now)
            elif len(self._inbox.data) < SIZE:
                break
            else:
                sent += self._frame(bytes(self._inbox.data[:SIZE]), now)
        return sent

    def _control(self, byte: int, now: float) -> Output:
        if byte != ENQ:
            self._inbox.discarded += 1
            return []
        command, self._waiting = self._waiting, b""
        return self._carry_out(command, now)

    def _frame(self, frame: bytes, now: float) -> Output:
        if frame[3] != ETX or xor(frame[:4]) != frame[4]:
            self._inbox.drop(broken_part(frame))
            return [(now, NAK)]
        self._inbox.take(SIZE)
        if frame[1:3] not in self._known:
            return [(now, NAK)]
        self._waiting = frame[1:3]
        return [(now, ACK)]

    def _carry_out(self, command: bytes, now: float) -> Output:
        if command == b"DC":
            self._refused = not self._hopper.dispense(now)
        elif command == b"CP":
            self._hopper.call_back(now)
        elif command == b"ST":
            self._hopper.reset()
            self._refused = False
        elif command == b"PC":
            self._taken_seen, self._kept_seen = self._hopper.taken_total, self._hopper.kept_total
        answers = {b"RF": (b"SF", self._state), b"PB": (b"PB", self._flags), b"PC": (b"PC", self._flags)}
        if command == b"GV":
            return [(now + ANSWER_S, _answer(b"GV", b"319"))]
        if command not in answers:
            return []
        name, what = answers[command]
        return [(now + ANSWER_S, _answer(name, what()))]

    def _flags(self) -> bytes:
        """Twelve flags, four in the low half of each byte."""
        hopper = self._hopper
        first = (
            hopper.bin_full * 1 + (self._refused or hopper.failed) * 2
            + (hopper.at == At.RETURNING) * 4 + (hopper.at == At.LEAVING) * 8
        )  # fmt: skip
        second = (
            hopper.low * 1 + hopper.jammed * 2
            + (hopper.kept_total > self._kept_seen) * 4 + (hopper.taken_total > self._taken_seen) * 8
        )  # fmt: skip
        third = self._ready() * 1 + (hopper.at == At.MOUTH) * 4 + (not hopper.cards) * 8
        return bytes((0x30 + first, 0x30 + second, 0x30 + third))

    def _ready(self) -> bool:
        hopper = self._hopper
        return hopper.at == At.NOWHERE and bool(hopper.cards) and not (hopper.jammed or hopper.failed)

    def _state(self) -> bytes:
        """The most urgent of the manual's eleven states."""
        hopper = self._hopper
        states = (
            (self._refused or hopper.failed, b"200"), (hopper.jammed, b"020"), (hopper.bin_full, b"100"),
            (hopper.at == At.LEAVING, b"800"), (hopper.at == At.RETURNING, b"400"), (hopper.at == At.MOUTH, b"004"),
            (not hopper.cards, b"008"), (hopper.low, b"010"), (self._ready(), b"000"),
        )  # fmt: skip
        return next((state for holds, state in states if holds), b"001")

    def _power_cycle(self) -> None:
        self._hopper.power_off()
        self._waiting = b""
        self._refused = False
        self._taken_seen, self._kept_seen = self._hopper.taken_total, self._hopper.kept_total


def _answer(name: bytes, data: bytes) -> bytes:
    frame = bytes((STX,)) + name + data + bytes((ETX,))
    return frame + bytes((xor(frame),))


def open_peer(around: Surroundings) -> Dispenser:
    """A dispenser with a full hopper."""
    return Dispenser(around)
