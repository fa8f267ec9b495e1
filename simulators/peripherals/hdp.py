"""Evaluator pad, counter display and caller of the open hall device profile (HDP) over Modbus RTU.

Written from the register table of the profile. Input registers 0 to 6: 4844h, version, class, fault bits, event
sequence, event code, age in 100 ms. Holding registers: 10h command, 11h ticket prefix, 12h ticket number, 13h
counter, 14h last event sequence seen by the host, 1Fh length of the text and 20h..3Fh the text.
"""

import struct
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import fastcrc

from device_profiles.capabilities.caller import CallerKey
from simulators.errors import ButtonRefused, UnknownName
from simulators.peripherals.peer import Inbox, Output, Surroundings

EVALUATOR, DISPLAY, CALLER = 1, 2, 3
MODES = ("idle", "welcome", "ask_rating", "thanks", "paused")
ASK_RATING, THANKS = 2, 3
COMMAND, PREFIX, NUMBER, COUNTER, SEEN, LENGTH, TEXT = 0x10, 0x11, 0x12, 0x13, 0x14, 0x1F, 0x20
HOLDING = frozenset({*range(0x10, 0x15), *range(0x1F, 0x40)})
INPUTS = 7
READ_HOLDING, READ_INPUTS, WRITE_ONE, WRITE_MANY = 0x03, 0x04, 0x06, 0x10
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
REPLY_S = 0.004
EVENTS_HELD = 16


class Illegal(Exception):
    """A Modbus exception answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


@dataclass
class Held:
    """An event that waits until the host has written its sequence to 14h."""

    sequence: int
    code: int
    at: float | None = None


class HallDevice:
    """The register file and the event memory that all three classes share."""

    device_class = 0

    def __init__(self, around: Surroundings) -> None:
        self._unit = around.number("unit", 1)
        self._inbox = Inbox(gap_s=0.2, limit=512)
        self._holding: dict[int, int] = {}
        self._events: deque[Held] = deque()
        self._sequence = 0
        self._shown_sequence = 0
        self._faults = 0
        self._now = 0.0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {"power_cycle": self._power_cycle, "set_faults": self._set_faults}

    def snapshot(self) -> dict[str, Any]:
        return {
            "mode": self.mode, "ticket": self.ticket, "counter": self._holding.get(COUNTER, 0), "text": self.text,
            "events_held": len(self._events), "sequence": self._sequence, "faults": self._faults,
        }  # fmt: skip

    @property
    def mode(self) -> str:
        """What the device shows, in words."""
        return MODES[self._holding.get(COMMAND, 0)]

    @property
    def ticket(self) -> str:
        """The ticket number shown, such as A012, or nothing."""
        prefix = self._holding.get(PREFIX, 0)
        return f"{chr(prefix)}{self._holding.get(NUMBER, 0):03d}" if prefix else ""

    @property
    def text(self) -> str:
        """The text line shown."""
        raw = b"".join(struct.pack(">H", self._holding.get(TEXT + n, 0)) for n in range(32))
        return raw[: self._holding.get(LENGTH, 0)].decode(errors="replace")

    def advance(self, now: float) -> Output:
        self._now = now
        for event in self._events:
            event.at = now if event.at is None else event.at
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self.advance(now)
        self._inbox.add(data, now)
        sent: Output = []
        while (frame := self._next_frame()) is not None:
            if frame[0] in (0, self._unit) and (answer := self._answer(frame)):
                sent.append((now + REPLY_S, answer))
        return sent

    def _next_frame(self) -> bytes | None:
        """The first whole request with a good CRC, wherever it starts; a bad CRC is met with silence."""
        data = self._inbox.data
        for start in range(len(data) - 3):
            length = _request_length(bytes(data[start : start + 7]), len(data) - start)
            frame = bytes(data[start : start + length])
            if length and len(frame) == length and _crc(frame[:-2]) == frame[-2:]:
                self._inbox.drop(start)
                return self._inbox.take(length)
        return None

    def _answer(self, frame: bytes) -> bytes:
        try:
            body = bytes((self._unit, frame[1])) + self._execute(frame[1], frame[2:-2])
        except Illegal as refusal:
            body = bytes((self._unit, frame[1] | 0x80, refusal.code))
        return b"" if frame[0] == 0 else body + _crc(body)  # unit 0 is a broadcast: obeyed, never answered

    def _execute(self, function: int, body: bytes) -> bytes:
        if function not in (READ_HOLDING, READ_INPUTS, WRITE_ONE, WRITE_MANY):
            raise Illegal(ILLEGAL_FUNCTION)
        address, value = struct.unpack(">HH", body[:4])
        if function == WRITE_ONE:
            self._write({address: value})
            return body
        if not 1 <= value <= 123 or (function == WRITE_MANY and body[4] != 2 * value):
            raise Illegal(ILLEGAL_VALUE)
        if function == WRITE_MANY:
            values = struct.unpack(f">{value}H", body[5:])
            self._write(dict(enumerate(values, address)))
            return body[:4]
        registers = self._inputs() if function == READ_INPUTS else {at: self._holding.get(at, 0) for at in HOLDING}
        wanted = range(address, address + value)
        if not registers.keys() >= set(wanted):
            raise Illegal(ILLEGAL_ADDRESS)
        return bytes((2 * value,)) + b"".join(struct.pack(">H", registers[at]) for at in wanted)

    def _inputs(self) -> dict[int, int]:
        code = age = 0
        if self._events:
            first = self._events[0]
            code, self._shown_sequence = first.code, first.sequence
            since = self._now if first.at is None else first.at
            age = min(0xFFFF, round((self._now - since) * 10))
        values = (0x4844, 1, self.device_class, self._faults, self._shown_sequence, code, age)
        return dict(enumerate(values))

    def _write(self, values: dict[int, int]) -> None:
        if not values.keys() <= HOLDING:
            raise Illegal(ILLEGAL_ADDRESS)
        if values.get(COMMAND, 0) >= len(MODES) or values.get(LENGTH, 0) > 64 or values.get(PREFIX, 0) > 0x7E:
            raise Illegal(ILLEGAL_VALUE)
        self._holding.update(values)
        if SEEN in values and self._events and values[SEEN] == self._events[0].sequence:
            self._shown_sequence = self._events.popleft().sequence

    def _hold(self, code: int) -> dict[str, int]:
        if len(self._events) >= EVENTS_HELD:
            raise ButtonRefused(f"expected room for an event, {EVENTS_HELD} wait for the host already")
        self._sequence = self._sequence % 0xFFFF + 1  # 0 means that nothing has happened since power-on
        self._events.append(Held(self._sequence, code))
        return {"sequence": self._sequence}

    def _power_cycle(self) -> None:
        self._holding.clear()
        self._events.clear()
        self._sequence = self._shown_sequence = 0

    def _set_faults(self, bits: int) -> None:
        self._faults = bits & 0xFFFF


class EvaluatorPad(HallDevice):
    """Takes one grade each time it asks, then thanks by itself."""

    device_class = EVALUATOR

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**super().buttons, "touch_grade": self._touch_grade}

    def _touch_grade(self, grade: int) -> dict[str, int]:
        if grade not in range(1, 6):
            raise ButtonRefused(f"touch_grade: expected a grade from 1 to 5, got {grade}")
        if self._holding.get(COMMAND, 0) != ASK_RATING:
            raise ButtonRefused(f"touch_grade: expected a pad that asks for a rating, it shows {self.mode}")
        held = self._hold(grade)
        self._holding[COMMAND] = THANKS
        return held


class CounterDisplay(HallDevice):
    """Shows a ticket number, a counter and a line of text."""

    device_class = DISPLAY


class Caller(HallDevice):
    """The clerk's keys, codes 1 to 7 in the order of ``CallerKey``."""

    device_class = CALLER

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**super().buttons, "press_key": self._press_key}

    def _press_key(self, key: str) -> dict[str, int]:
        keys = [str(member) for member in CallerKey]
        if key not in keys:
            raise UnknownName(f"press_key: expected one of {', '.join(keys)}, got {key!r}")
        return self._hold(keys.index(key) + 1)


def _request_length(head: bytes, available: int) -> int:
    """Bytes of the request that starts here: Modbus RTU has no length field, so the function decides."""
    function = head[1]
    if function in (READ_HOLDING, READ_INPUTS, WRITE_ONE):
        return 8
    if function == WRITE_MANY:
        return 9 + head[6] if len(head) > 6 else 0
    return available if available >= 4 else 0


def _crc(data: bytes) -> bytes:
    return fastcrc.crc16.modbus(data).to_bytes(2, "little")


def open_peer(around: Surroundings) -> HallDevice:
    """The device whose capability the profile names."""
    kinds = {"evaluator": EvaluatorPad, "signage": CounterDisplay, "caller": Caller}
    capability = around.profile.capability
    if capability not in kinds:
        raise UnknownName(f"{around.profile.id}: capability: expected one of {', '.join(kinds)}, got {capability!r}")
    return kinds[capability](around)
