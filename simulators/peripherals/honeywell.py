"""QR and barcode scanner: Honeywell in serial mode.

Written from the manuals' serial commands: trigger on SYN T CR, off SYN U CR, neither answered; menu SYN M CR command
and ``.`` or ``!``, answered by the command with its value, a verdict (06, 05, 15) and the same sign. Decoded text comes
raw with CR LF.

Where the manuals are silent: TRGMOD 0 reads on command, 3 always; the lines of REVINF are those of a recorded answer
with invented numbers; a trigger lasts 5 s.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings
from simulators.peripherals.scan_window import ScanWindow

SYN = b"\x16"
DONE, UNKNOWN, OUT_OF_RANGE = b"\x06", b"\x05", b"\x15"
REVISION = (
    "Product Name: Voyager 1602g", "Boot Revision: 8992", "Software Part Number: CW000082BBA",
    "Software Revision: 16345", "Serial Number: SIM0001", "Supported IF: Serial",
)  # fmt: skip
MODE, PRESENTATION = "TRGMOD", "3"
FACTORY, RANGE = {MODE: "0"}, {MODE: "0-3"}
QUICK_S, DECODE_S, READ_S = 0.01, 0.15, 5.0
LONGEST_MENU = 256


class Scanner:
    """Reads what is held in front of it while the trigger is on, or always in presentation mode."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._saved = dict(FACTORY)
        self._now = dict(FACTORY)
        self._on_until: float | None = None
        self._window = ScanWindow()
        self._decoded = 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "present_code": self._window.present, "remove_code": self._window.clear, "power_cycle": self._power_cycle,
            "show_setup_code": self._show_setup_code,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "triggered": self._on_until is not None, "code_in_front": bool(self._window),
            "decoded_total": self._decoded, "mode": self._now[MODE],
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        if self._on_until is not None and now >= self._on_until:
            self._on_until = None
        if not self._window or (self._on_until is None and self._now[MODE] != PRESENTATION):
            return []
        text, self._on_until = self._window.take(), None
        self._decoded += 1
        return [(self._pace.done_at(now, DECODE_S), text.encode() + b"\r\n")]

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.seek(SYN) and len(self._inbox.data) >= 3:
            kind = bytes(self._inbox.data[1:3])
            if kind in (b"T\r", b"U\r"):
                self._inbox.take(3)
                self._on_until = now + READ_S if kind == b"T\r" else None
            elif kind != b"M\r":
                self._inbox.drop(1)
            elif (menu := re.match(rb"\x16M\r([^.!]*)([.!])", bytes(self._inbox.data))) is not None:
                self._inbox.take(menu.end())
                answer = self._answer(menu[1].decode("latin-1"), for_good=menu[2] == b".") + menu[2]
                sent.append((self._pace.done_at(now, QUICK_S), answer))
            elif len(self._inbox.data) > LONGEST_MENU:
                self._inbox.drop(1)
            else:
                break
        return sent + self.advance(now)

    def _answer(self, command: str, for_good: bool) -> bytes:
        name, value = command[:6], command[6:]
        if command == "REVINF":
            lines = "".join(f"{line}\r\n" for line in REVISION)
            return (lines + command).encode("latin-1") + DONE
        if name not in RANGE:
            return command.encode("latin-1") + UNKNOWN
        if value in ("?", "^", "*"):
            told = {"?": self._now, "^": FACTORY, "*": RANGE}[value][name]
            return (name + told).encode("latin-1") + DONE
        if not re.fullmatch(f"[{RANGE[name]}]", value):
            return command.encode("latin-1") + OUT_OF_RANGE
        self._set(name, value, for_good)
        return command.encode("latin-1") + DONE

    def _set(self, name: str, value: str, for_good: bool) -> None:
        self._now[name] = value
        if for_good:
            self._saved[name] = value

    def _show_setup_code(self, command: str = MODE + PRESENTATION) -> None:
        """A visitor holds a set-up code in front, which a scanner obeys whoever shows it."""
        if command[:6] not in FACTORY or not re.fullmatch(f"[{RANGE[command[:6]]}]", command[6:]):
            raise ButtonRefused(f"show_setup_code: expected TRGMOD0 to TRGMOD3, got {command!r}")
        self._set(command[:6], command[6:], for_good=True)

    def _power_cycle(self) -> None:
        self._now, self._on_until = dict(self._saved), None


def open_peer(around: Surroundings) -> Scanner:
    """A scanner with factory settings, trigger off."""
    return Scanner(around)
