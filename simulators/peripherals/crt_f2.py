"""Motorised card unit: CREATOR CRT-571, frames of the F2 family.

Written from the F2 description that the CRT-571 programs agree on: ``F2 addr length 43 CM PM data 03 BCC``;
the device acknowledges with 06 or refuses with 15, works, and answers 50 (done) or 4E (failed, E1 E0).
"""

from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.card_works import NO_HARDWARE, NOT_RESET, UNDEFINED, CardWorks, Refused
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings, broken_part, xor

ACK, NAK, EOT = b"\x06", b"\x15", 0x04
LONGEST_TEXT = 512  # bytes of CMT..DATA; the longest command is a short APDU
MOVE_S, INIT_S, QUICK_S = 0.8, 2.0, 0.02
STATUS_REQUEST, SERIAL, CONFIG, VERSION = 0x31, 0xA2, 0xA3, 0xA4
ALLOWED_BEFORE_INIT = {0x30, STATUS_REQUEST, SERIAL, CONFIG, VERSION}


class CardUnit:
    """The unit on its line: frames, acknowledgements, one answer kept for repetition."""

    def __init__(self, around: Surroundings) -> None:
        self._works = CardWorks(around)
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._serial = around.seed % 10**6
        self._address = around.number("address", 0)
        self._last_reply = b""

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**self._works.buttons, "power_cycle": self._power_cycle}

    def snapshot(self) -> dict[str, Any]:
        return self._works.snapshot()

    def advance(self, now: float) -> Output:
        self._works.draw_in(now)
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._works.draw_in(now)
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
        return seconds, self._text(b"\x50" + head + self._works.states() + extra)

    def _text(self, text: bytes) -> bytes:
        frame = bytes((0xF2, self._address)) + len(text).to_bytes(2, "big") + text + b"\x03"
        return frame + bytes((xor(frame),))

    def _execute(self, command: int, parameter: int, data: bytes) -> bytes:
        actions: dict[int, Callable[[int, bytes], bytes]] = {
            0x30: self._works.init, STATUS_REQUEST: self._works.status, 0x32: self._works.move, 0x33: self._works.entry,
            0x50: self._works.card_type, 0x51: self._works.cpu_card, 0xA5: self._works.bin_counter,
            SERIAL: lambda _pm, _data: f"CRT571{self._serial:06d}".encode(),
            CONFIG: lambda _pm, _data: b"0000",
            VERSION: lambda _pm, _data: b"CRT-571 V1.00",
        }  # fmt: skip
        if command in (0x52, 0x60):
            raise Refused(NO_HARDWARE)
        if command not in actions:
            raise Refused(UNDEFINED)
        if not self._works.initialised and command not in ALLOWED_BEFORE_INIT:
            raise Refused(NOT_RESET)
        return actions[command](parameter, data)

    def _power_cycle(self) -> None:
        self._works.power_off()
        self._last_reply = b""


def open_peer(around: Surroundings) -> CardUnit:
    """A card unit after power-on: it wants to be initialised."""
    return CardUnit(around)
