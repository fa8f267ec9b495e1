"""Keys of a scanner that acts as a keyboard, from the kernel's evdev events to characters.

Source: ``struct input_event`` of include/uapi/linux/input.h as 64-bit kernels lay it out: seconds and microseconds (8
bytes each), type and code (2 bytes each), value (4 bytes), low byte first; 24 bytes. Types and key codes:
include/uapi/linux/input-event-codes.h. Value of a key: 1 pressed, 0 let go, 2 repeated.

The kernel hands over whole events and nothing else; what cannot be one (a damaged recording) is skipped by bytes.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

_EVENT = struct.Struct("<QQHHi")
EVENT_SIZE = _EVENT.size

_SYN, _KEY = 0x00, 0x01
_TYPES = frozenset((_SYN, _KEY, 0x04, 0x11, 0x14))  # and EV_MSC, EV_LED, EV_REP, which mean nothing here
_REPORT, _CONFIG, _DROPPED = 0, 1, 3
_SHIFTS = frozenset((42, 54))
_PRESSED, _LET_GO = 1, 0
_LATEST_S, _LAST_CODE = 2**36, 0x2FF

ENTER = (28, 96)
"""KEY_ENTER and KEY_KPENTER."""


def _row(first: int, *keys: str) -> dict[int, str]:
    return {first + n: key for n, key in enumerate(keys)}


US_LAYOUT: Mapping[int, str] = MappingProxyType(
    {
        **_row(2, "1!", "2@", "3#", "4$", "5%", "6^", "7&", "8*", "9(", "0)", "-_", "=+"),
        **_row(16, *(letter + letter.upper() for letter in "qwertyuiop"), "[{", "]}"),
        **_row(30, *(letter + letter.upper() for letter in "asdfghjkl"), ";:", "'\"", "`~"),
        **_row(43, "\\|", *(letter + letter.upper() for letter in "zxcvbnm"), ",<", ".>", "/?"),
        57: "  ",
    }
)
"""Key code to what it types without and with shift."""


class Kind(StrEnum):
    """What happened on the keyboard."""

    CHARACTER = "character"
    END = "end"
    OTHER = "other"  # a key that types nothing: no part of a code
    LOST = "lost"  # the kernel had to drop events
    ECHO = "echo"  # the kernel's answer to ``encode_echo``


@dataclass(frozen=True, slots=True)
class Struck:
    """One key; ``repr`` keeps what it types to itself, since keys in a row are a code."""

    kind: Kind
    text: str = field(default="", repr=False)
    number: int = 0


def encode_echo(number: int) -> bytes:
    """Events that the kernel hands back to who writes them: they show that the device is there. 0 to 65535."""
    return _EVENT.pack(0, 0, _SYN, _CONFIG, number & 0xFFFF) + _EVENT.pack(0, 0, _SYN, _REPORT, 0)


class WedgeCodec:
    """The receiving side: key presses as characters of ``layout``, by the state of the shift keys."""

    def __init__(self, layout: Mapping[int, str] = US_LAYOUT) -> None:
        self._layout = layout
        self._buffer = FrameBuffer(_find, EVENT_SIZE)
        self._shifts: set[int] = set()

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Struck | None:
        while (found := self._buffer.next()) is not None:
            _, _, kind, code, value = _EVENT.unpack(found)
            if (struck := self._syn(code, value) if kind == _SYN else self._key(kind, code, value)) is not None:
                return struck
        return None

    def reset(self) -> None:
        self._buffer.reset()
        self._shifts.clear()

    def _syn(self, code: int, value: int) -> Struck | None:
        if code == _CONFIG:
            return Struck(Kind.ECHO, number=value & 0xFFFF)
        return Struck(Kind.LOST) if code == _DROPPED else None

    def _key(self, kind: int, code: int, value: int) -> Struck | None:
        if kind != _KEY:
            return None
        if code in _SHIFTS:
            (self._shifts.discard if value == _LET_GO else self._shifts.add)(code)
            return None
        if value != _PRESSED:
            return None
        if code in ENTER:
            return Struck(Kind.END)
        typed = self._layout.get(code)
        return Struck(Kind.OTHER) if typed is None else Struck(Kind.CHARACTER, typed[-1 if self._shifts else 0])


def _find(pending: bytes) -> Found:
    if len(pending) < EVENT_SIZE:
        return NEED_MORE
    seconds, micros, kind, code, value = _EVENT.unpack_from(pending)
    plausible = seconds < _LATEST_S and micros < 1_000_000 and kind in _TYPES and code <= _LAST_CODE
    return frame(EVENT_SIZE) if plausible and (kind != _KEY or 0 <= value <= 2) else skip(1)
