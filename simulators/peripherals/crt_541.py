"""Card dispenser: CREATOR CRT-541.

Written from its specification 1.0, chapters 4.4 and 5.1: seven bytes each way, ``02 address(2) command(2) 03 BCC``;
06 or 15 with the address, and to an enquiry also ``02 address(2) work stack 03 BCC``. "Dispensed" and "cannot" are told
to the first enquiry after them.
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.card_hopper import At, CardHopper
from simulators.peripherals.peer import Inbox, Output, Surroundings, broken_part, xor

STX, ETX = 0x02, 0x03
SIZE = 7
READY, DISPENSING, DISPENSED, FAILED, CANNOT = b"0", b"1", b"3", b"4", b"6"
ENOUGH, FEW, NONE = b"0", b"1", b"2"
ANSWER_S = 0.02


class Dispenser:
    """The dispenser on its line."""

    def __init__(self, around: Surroundings) -> None:
        self._hopper = CardHopper(around.speed)
        self._inbox = Inbox()
        self._address = f"{around.number('address', 0):02d}".encode()
        self._told_once = b""

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**self._hopper.buttons, "power_cycle": self._power_cycle}

    def snapshot(self) -> dict[str, Any]:
        return self._hopper.snapshot()

    def advance(self, now: float) -> Output:
        if self._hopper.settle(now) == At.LEAVING:
            self._told_once = DISPENSED
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self.advance(now)
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.seek(bytes((STX,))) and len(self._inbox.data) >= SIZE:
            frame = bytes(self._inbox.data[:SIZE])
            if frame[5] != ETX or xor(frame[:6]) != frame[6]:
                self._inbox.drop(broken_part(frame))
                sent += [(now, b"\x15" + self._address)] if frame[1:3] == self._address else []
                continue
            self._inbox.take(SIZE)
            if frame[1:3] == self._address:
                sent += self._command(frame[3:5], now)
        return sent

    def _command(self, command: bytes, now: float) -> Output:
        taken = (now, b"\x06" + self._address)
        if command == b"AP":
            return [taken, (now + ANSWER_S, self._state())]
        if command == b"DC":
            self._told_once = b"" if self._hopper.dispense(now) else CANNOT
        elif command == b"RS":
            self._hopper.reset()
            self._told_once = b""
        elif command not in (b"IP", b"IE"):
            return [(now, b"\x15" + self._address)]
        return [taken]

    def _state(self) -> bytes:
        work = self._work()
        stack = NONE if not self._hopper.cards else FEW if self._hopper.low else ENOUGH
        frame = bytes((STX,)) + self._address + work + stack + bytes((ETX,))
        return frame + bytes((xor(frame),))

    def _work(self) -> bytes:
        if self._hopper.jammed or self._hopper.failed:
            return FAILED
        if self._hopper.at == At.LEAVING:
            return DISPENSING
        told, self._told_once = self._told_once, b""
        return told or READY

    def _power_cycle(self) -> None:
        self._hopper.power_off()
        self._told_once = b""


def open_peer(around: Surroundings) -> Dispenser:
    """A dispenser with a full stacker."""
    return Dispenser(around)
