"""Evaluator pad, counter display and caller of the open hall device profile (HDP) over SMP.

Written from the profile (docs/peripherals/hdp.md): user group 64, command 0 read = state, 1 = what is shown, 2 write =
number of the event seen. The device itself is the one of the Modbus binding. Group 0 has echo (0), reset (5) and
parameters (6), as Zephyr's; a restart prints a banner on the console.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from firmware_bridge.framing.smp_serial import CobsFrames, ConsoleFrames, encode_cobs, encode_console
from simulators.errors import SimulatorError, UnknownName
from simulators.peripherals.hdp import (
    COMMAND,
    COUNTER,
    LENGTH,
    NUMBER,
    PREFIX,
    SEEN,
    TEXT,
    Caller,
    CounterDisplay,
    EvaluatorPad,
    HallDevice,
    Illegal,
)
from simulators.peripherals.peer import Output, Surroundings

STATE, SHOW, SEEN_EVENT = 0, 1, 2
OS_GROUP, ECHO, RESET, PARAMETERS = 0, 0, 5, 6
EINVAL, ENOTSUP = 3, 8
INVALID_VALUE = 1
BUFFER = 384
REPLY_S = 0.004
BANNER = b"*** Booting hall device ***\r\n"


class Refusal(Exception):
    """An error of the group that was asked."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.body = body


class OverSmp(HallDevice):
    """The same device behind another face."""

    def __init__(self, around: Surroundings) -> None:
        super().__init__(around)
        self._group = around.number("group", 64)
        framing = around.word("framing", "console")
        if framing not in ("console", "cobs"):
            raise SimulatorError(f"{around.profile.id}: framing: expected console or cobs, got {framing!r}")
        self._frames = ConsoleFrames() if framing == "console" else CobsFrames()
        self._talks = framing == "console"
        self._wrap = encode_console if framing == "console" else encode_cobs
        self._unsaid = b""

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {**super().buttons, "power_cycle": self._restart, "print_log": self._print_log}

    def advance(self, now: float) -> Output:
        sent = super().advance(now)
        said, self._unsaid = self._unsaid, b""
        return [*sent, (now, said)] if said else sent

    def receive(self, data: bytes, now: float) -> Output:
        sent = self.advance(now)
        self._frames.feed(data)
        while (message := self._frames.next()) is not None:
            if (answer := self._reply(message)) is not None:
                sent.append((now + REPLY_S, self._wrap(answer)))
        return sent

    def _reply(self, message: bytes) -> bytes | None:
        if len(message) < 8:
            return None
        first, _, length, group, sequence, command = struct.unpack(">BBHHBB", message[:8])
        operation = first & 7
        if length != len(message) - 8 or operation not in (0, 2):
            return None
        try:
            asked = cbor2.loads(message[8:])
            body = self._do(group, command, operation == 2, asked if isinstance(asked, dict) else {})
        except cbor2.CBORDecodeError:
            body = {"rc": EINVAL}
        except Refusal as refusal:
            body = refusal.body
        except Illegal:
            body = {"err": {"group": self._group, "rc": INVALID_VALUE}}
        told = cbor2.dumps(body)
        return struct.pack(">BBHHBB", first + 1, 0, len(told), group, sequence, command) + told

    def _do(self, group: int, command: int, writes: bool, asked: dict[str, Any]) -> dict[str, Any]:
        known: dict[tuple[int, int, bool], Callable[[dict[str, Any]], dict[str, Any]]] = {
            (self._group, STATE, False): self._state,
            (self._group, SHOW, False): self._shown,
            (self._group, SHOW, True): self._show,
            (self._group, SEEN_EVENT, True): self._see,
            (OS_GROUP, ECHO, True): lambda asked: {"r": asked.get("d", "")},
            (OS_GROUP, RESET, True): self._reset,
            (OS_GROUP, PARAMETERS, False): lambda asked: {"buf_size": BUFFER, "buf_count": 2},
        }
        if (group, command, writes) not in known:
            raise Refusal({"rc": ENOTSUP})
        return known[group, command, writes](asked)

    def _state(self, _asked: dict[str, Any]) -> dict[str, Any]:
        _magic, version, kind, faults, sequence, code, age = self._inputs().values()
        seen = self._holding.get(SEEN, 0)
        return {
            "hdp": version,
            "class": kind,
            "faults": faults,
            "seq": sequence,
            "code": code,
            "age": age,
            "seen": seen,
        }

    def _shown(self, _asked: dict[str, Any]) -> dict[str, Any]:
        numbers = {"mode": COMMAND, "prefix": PREFIX, "number": NUMBER, "counter": COUNTER}
        return {**{key: self._holding.get(at, 0) for key, at in numbers.items()}, "text": self.text}

    def _show(self, asked: dict[str, Any]) -> dict[str, Any]:
        numbers = {"mode": COMMAND, "prefix": PREFIX, "number": NUMBER, "counter": COUNTER}
        values: dict[int, int] = {}
        for key, value in asked.items():
            if key == "text" and isinstance(value, str):
                values.update(_registers(value))
            elif key in numbers and isinstance(value, int) and 0 <= value <= 0xFFFF:
                values[numbers[key]] = value
            else:
                raise Illegal(INVALID_VALUE)
        self._write(values)
        return {}

    def _see(self, asked: dict[str, Any]) -> dict[str, Any]:
        seen = asked.get("seen")
        if not isinstance(seen, int) or not 0 <= seen <= 0xFFFF:
            raise Illegal(INVALID_VALUE)
        self._write({SEEN: seen})
        return {"seen": seen}

    def _reset(self, _asked: dict[str, Any]) -> dict[str, Any]:
        self._restart()
        return {}

    def _restart(self) -> None:
        self._power_cycle()
        self._frames.reset()
        self._unsaid = BANNER if self._talks else b""

    def _print_log(self, text: str) -> None:
        """The firmware logs a line on the same UART."""
        self._unsaid += text.encode() + b"\r\n"


def _registers(text: str) -> dict[int, int]:
    raw = text.encode()
    if len(raw) > 64:
        raise Illegal(INVALID_VALUE)
    filled = raw.ljust(64)
    return {LENGTH: len(raw)} | {TEXT + n: int.from_bytes(filled[2 * n : 2 * n + 2]) for n in range(32)}


class SmpPad(OverSmp, EvaluatorPad):
    """Evaluator pad."""


class SmpDisplay(OverSmp, CounterDisplay):
    """Counter display."""


class SmpCaller(OverSmp, Caller):
    """Caller."""


def open_peer(around: Surroundings) -> OverSmp:
    """The device whose capability the profile names."""
    kinds = {"evaluator": SmpPad, "signage": SmpDisplay, "caller": SmpCaller}
    capability = around.profile.capability
    if capability not in kinds:
        raise UnknownName(f"{around.profile.id}: capability: expected one of {', '.join(kinds)}, got {capability!r}")
    return kinds[capability](around)
