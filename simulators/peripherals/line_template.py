"""A board with a vendor's line protocol, played from the description of its frames in the profile.

The description is read here a second time and in another way than the host's: a frame becomes one pattern over bytes,
sums are computed from their definitions, and what is heard is checked after it has been matched.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import fastcrc

from simulators.errors import ButtonRefused, SimulatorError, UnknownName
from simulators.peripherals.peer import Inbox, Output, Surroundings, xor

REPLY_S = 0.01
REPEAT_S = 1.0  # an event that wants a word back is said again after this
KEYS_HELD = 16
SUMS: Mapping[str, Callable[[bytes], int]] = {
    "sum8": lambda data: sum(data) % 256,
    "sum8_negative": lambda data: (256 - sum(data) % 256) % 256,
    "sum16": lambda data: sum(data) % 65536,
    "xor8": xor,
    "crc16_modbus": fastcrc.crc16.modbus,
    "crc16_xmodem": fastcrc.crc16.xmodem,
    "crc16_kermit": fastcrc.crc16.kermit,
    "crc16_ccitt_false": fastcrc.crc16.ibm_3740,
    "crc16_x25": fastcrc.crc16.ibm_sdlc,
}
Heard = dict[str, int | str]


class Sentence:
    """One kind of frame."""

    def __init__(self, fields: list[dict[str, Any]]) -> None:
        self._fields = fields
        self._pattern = re.compile(b"".join(b"(" + _pattern(one) + b")" for one in fields), re.DOTALL)

    def hear(self, data: bytes) -> tuple[int, Heard] | None:
        """Size and content when ``data`` begins with this frame."""
        match = self._pattern.match(data)
        if match is None:
            return None
        parts = [match[n + 1] for n in range(len(self._fields))]
        for at, one in enumerate(self._fields):
            if one["kind"] in ("length", "checksum") and self._derived(one, parts) != parts[at]:
                return None
        heard: Heard = {}
        for one, part in zip(self._fields, parts, strict=True):
            if "value" in one:
                heard[one["value"]] = _read(one, part)
        return match.end(), heard

    def say(self, content: Heard) -> bytes:
        """The bytes of the frame."""
        parts = [_write(one, content) for one in self._fields]
        for kind in ("length", "checksum"):
            for at, one in enumerate(self._fields):
                if one["kind"] == kind:
                    parts[at] = self._derived(one, parts)
        return b"".join(parts)

    def _derived(self, one: dict[str, Any], parts: list[bytes]) -> bytes:
        labels = [other.get("name") or other.get("value") for other in self._fields]
        first, last = (labels.index(label) for label in one["span"])
        covered = b"".join(parts[first : last + 1])
        number = len(covered) if one["kind"] == "length" else SUMS[one["sum"]](covered)
        return number.to_bytes(_width(one), one.get("order", "big"))


class Board:
    """A display, caller or pad. Buttons: press_key or touch_grade, break_down, mend, power_cycle."""

    def __init__(self, around: Surroundings) -> None:
        options = around.profile.options
        self._capability = around.profile.capability
        self._unit = around.number("unit", 0)
        self._keys: dict[str, int] = options.get("keys", {})
        self._modes: dict[int, str] = {number: name for name, number in options.get("modes", {}).items()}
        self._healthy = around.number("healthy", 0)
        roles = ("show", "show_reply", "probe", "probe_reply", "event", "event_ack")
        self._sentences = {role: Sentence(options[role]) for role in roles if options.get(role)}
        self._inbox = Inbox(gap_s=0.5, limit=1024)
        self._shown: Heard = {}
        self._events: deque[Heard] = deque()
        self._say_at = 0.0
        self._sequence = 0
        self._fault = self._healthy

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        own: dict[str, Callable[..., Any]] = {
            "break_down": self._break_down, "mend": self._mend, "power_cycle": self._power_cycle,
        }  # fmt: skip
        if self._capability == "caller":
            own["press_key"] = self._press
        if self._capability == "evaluator":
            own["touch_grade"] = lambda grade: self._press(str(grade))
        return own

    def snapshot(self) -> dict[str, Any]:
        seen = {**self._shown, "ticket": self._ticket()}
        if self._capability == "evaluator":
            mode = self._shown.get("mode", 0)
            seen["mode"] = self._modes.get(mode, "") if isinstance(mode, int) else ""
        return {**seen, "events_held": len(self._events), "fault": self._fault}

    def _ticket(self) -> str:
        """The ticket as somebody in front of the board reads it; a board of digits shows no letter."""
        words = f"{self._shown.get('ticket') or self._shown.get('line') or ''}".split()
        if words:
            return words[0]
        number, prefix = self._shown.get("number", 0), self._shown.get("prefix", 0)
        letter = chr(prefix) if isinstance(prefix, int) and prefix else ""
        return f"{letter}{number:03d}" if number else ""

    def advance(self, now: float) -> Output:
        said: Output = []
        while self._events and now >= self._say_at:
            said.append((now, self._sentences["event"].say(self._events[0])))
            if "event_ack" in self._sentences:
                self._say_at = now + REPEAT_S
                break
            self._events.popleft()
        return said

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while (found := self._next()) is not None:
            role, content = found
            if content.get("unit", self._unit) == self._unit and (answer := self._answer(role, content)):
                sent.append((now + REPLY_S, answer))
        return sent

    def _next(self) -> tuple[str, Heard] | None:
        """The first whole frame, wherever it starts; what is broken is forgotten after a silence."""
        pending = bytes(self._inbox.data)
        for start in range(len(pending)):
            for role in ("show", "probe", "event_ack"):
                heard = self._sentences[role].hear(pending[start:]) if role in self._sentences else None
                if heard is not None:
                    self._inbox.drop(start)
                    self._inbox.take(heard[0])
                    return role, heard[1]
        return None

    def _answer(self, role: str, content: Heard) -> bytes:
        if role == "event_ack":
            if self._events:
                self._events.popleft()
                self._say_at = 0.0
            return b""
        if role == "show":
            self._shown = {key: value for key, value in content.items() if key != "unit"}
        reply = self._sentences.get(f"{role}_reply")
        return reply.say({**self._shown, "unit": self._unit, "fault": self._fault}) if reply else b""

    def _press(self, key: str) -> dict[str, int]:
        if key not in self._keys:
            raise UnknownName(f"expected one of {', '.join(self._keys)}, got {key!r}")
        if len(self._events) >= KEYS_HELD:
            raise ButtonRefused(f"expected room for a key, {KEYS_HELD} wait for the host already")
        self._sequence = self._sequence % 0xFF + 1
        self._events.append({"unit": self._unit, "key": self._keys[key], "sequence": self._sequence})
        return {"sequence": self._sequence}

    def _break_down(self) -> None:
        self._fault = self._healthy + 1

    def _mend(self) -> None:
        self._fault = self._healthy

    def _power_cycle(self) -> None:
        self._shown, self._sequence, self._say_at = {}, 0, 0.0
        self._events.clear()
        self._mend()


def _width(one: dict[str, Any]) -> int:
    if one["kind"] == "checksum":
        return 1 if one["sum"] in ("sum8", "sum8_negative", "xor8") else 2
    width: int = one.get("width", 1 if one["kind"] == "length" else 0)
    return width


def _pattern(one: dict[str, Any]) -> bytes:
    kind, width = one["kind"], _width(one)
    if kind == "constant":
        return re.escape(bytes.fromhex(one["hex"]))
    if kind == "ascii":
        return b"[0-9]{%d}" % width
    if kind == "text":
        return b"[^\x00-\x1f]{%d}" % width if width else b"[^\x00-\x1f]{0,%d}" % one.get("longest", 64)
    return b".{%d}" % width


def _read(one: dict[str, Any], part: bytes) -> int | str:
    if one["kind"] == "text":
        return part.decode(one.get("charset", "ascii"), "replace").rstrip()
    if one["kind"] == "binary":
        return int.from_bytes(part, one.get("order", "big"))
    digits = part if one.get("order", "big") == "big" else part[::-1]
    return int(digits.hex() if one["kind"] == "bcd" else digits)


def _write(one: dict[str, Any], content: Heard) -> bytes:
    kind, width = one["kind"], _width(one)
    if kind == "constant":
        return bytes.fromhex(one["hex"])
    if kind in ("length", "checksum"):
        return bytes(width)
    value = content.get(one["value"], "" if kind == "text" else 0)
    if kind == "text":
        return str(value).encode(one.get("charset", "ascii"), "replace").ljust(width)
    if kind == "binary":
        return int(value).to_bytes(width, one.get("order", "big"))
    digits = str(value).rjust(width if kind == "ascii" else 2 * width, "0")
    octets = digits.encode() if kind == "ascii" else bytes.fromhex(digits)
    return octets if one.get("order", "big") == "big" else octets[::-1]


def open_peer(around: Surroundings) -> Board:
    """The board that the profile describes."""
    if around.profile.capability not in ("signage", "caller", "evaluator"):
        raise SimulatorError(
            f"{around.profile.id}: expected signage, caller or evaluator, got {around.profile.capability}"
        )
    return Board(around)
