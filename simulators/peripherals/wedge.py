"""QR and barcode scanner as a USB keyboard, with the part of Linux that stands between it and a program.

Written from linux/input.h and input-event-codes.h: each key is a scan code (EV_MSC), a key (EV_KEY) and a report
(EV_SYN), 24 bytes each; a program that writes EV_SYN SYN_CONFIG and a report gets both back. The scanner is always on
and types with the US layout, 2 ms between keys, Enter at the end unless the profile says ``enter = 0``.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Inbox, Output, Surroundings

SYN, KEY, MISC = 0, 1, 4
REPORT, CONFIG, SCAN_CODE = 0, 1, 4
SHIFT, ENTER_KEY = 42, 28
ROWS = {
    2: "1234567890-=", 16: "qwertyuiop[]", 30: "asdfghjkl;'`", 43: "\\zxcvbnm,./", 57: " ",
}  # fmt: skip
SHIFTED_ROWS = {
    2: "!@#$%^&*()_+", 16: "QWERTYUIOP{}", 30: 'ASDFGHJKL:"~', 43: "|ZXCVBNM<>?",
}  # fmt: skip
PLAIN = {char: row + at for row, chars in ROWS.items() for at, char in enumerate(chars)}
SHIFTED = {char: row + at for row, chars in SHIFTED_ROWS.items() for at, char in enumerate(chars)}
EPOCH_S = 1_700_000_000
KEY_S = 0.002
EVENT = 24


class KeyboardScanner:
    """Types whatever is held in front of it, at once."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox()
        self._enter = bool(around.number("enter", 1))
        self._pressed: list[tuple[int, bool]] = []
        self._held: int | None = None
        self._typed = 0
        self._free_at = float("-inf")

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {"present_code": self._present_code, "strike_key": self._strike_key, "hold_key": self._hold_key}

    def snapshot(self) -> dict[str, Any]:
        return {"typed_total": self._typed}

    def advance(self, now: float) -> Output:
        sent: Output = []
        at = max(now, self._free_at)
        for code, shifted in self._pressed:
            at += KEY_S
            events = [*self._shift(shifted, 1), *press(code, 1), *press(code, 0), *self._shift(shifted, 0)]
            sent.append((at, b"".join(event(at, *one) for one in events)))
        self._pressed.clear()
        if self._held is not None:
            sent.append((at, b"".join(event(at, KEY, self._held, 2) + event(at, SYN, REPORT, 0) for _ in range(3))))
        self._free_at = at
        return sent

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        configured = b""
        while len(self._inbox.data) >= EVENT:
            kind, code, value = struct.unpack("<HHi", self._inbox.take(EVENT)[16:])
            if (kind, code) == (SYN, CONFIG):
                configured = event(now, SYN, CONFIG, value)
            elif (kind, code) == (SYN, REPORT) and configured:
                sent.append((now, configured + event(now, SYN, REPORT, 0)))
                configured = b""
        return sent + self.advance(now)

    def _shift(self, shifted: bool, value: int) -> list[tuple[int, int, int]]:
        return press(SHIFT, value) if shifted else []

    def _present_code(self, text: str) -> None:
        """Hold a code in front: it is typed at once, whoever listens."""
        unknown = set(text) - PLAIN.keys() - SHIFTED.keys()
        if not text or len(text) > 4296 or unknown:
            raise ButtonRefused(
                f"present_code: expected 1 to 4296 characters of a US keyboard, got {len(unknown)} others"
            )
        self._pressed += [(PLAIN.get(char, SHIFTED.get(char, 0)), char not in PLAIN) for char in text]
        if self._enter:
            self._pressed.append((ENTER_KEY, False))
        self._typed += 1

    def _strike_key(self, code: int) -> None:
        """One key by its code, such as 59 for F1."""
        if not 0 < code < 0x300:
            raise ButtonRefused(f"strike_key: expected a key code from 1 to 767, got {code}")
        self._pressed.append((code, False))

    def _hold_key(self, code: int = 0) -> None:
        """A key that is stuck and repeats; 0 ends it."""
        self._held = code or None


def press(code: int, value: int) -> list[tuple[int, int, int]]:
    """The events of one key going down (1) or up (0)."""
    return [(MISC, SCAN_CODE, 0x70000 + code), (KEY, code, value), (SYN, REPORT, 0)]


def event(at: float, kind: int, code: int, value: int) -> bytes:
    """One event as a 64-bit kernel lays it out."""
    micros = round(at * 1_000_000)
    return struct.pack("<qqHHi", EPOCH_S + micros // 1_000_000, micros % 1_000_000, kind, code, value)


def open_peer(around: Surroundings) -> KeyboardScanner:
    """A scanner with nothing in front of it."""
    return KeyboardScanner(around)
