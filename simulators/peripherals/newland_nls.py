"""QR and barcode scanner: Newland in serial mode.

Written from the programming commands of the NLS-HR52 and FM530 manuals: ``7E 01 "0000" @|# command ";" 03``, answered
by ``02 01 "0000" @|# command`` with its value, a verdict (06, 15, 05) and ``";" 03``. Decoded text: raw with CR LF.

Where the manuals are silent: SCNTRG0/1 is the trigger, SCNMOD the way of reading (0 on command, 2 continuous), QRYSYS
tells who it is in lines, DEVQRY its health (0 is well); a set-up code on paper does the same as a command for good.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings
from simulators.peripherals.scan_window import ScanWindow

START, PREFIX, END = b"\x7e\x010000", b"\x02\x010000", b";\x03"
DONE, OUT_OF_RANGE, UNKNOWN = b"\x06", b"\x15", b"\x05"
TRIGGER, MODE, HEALTH, IDENTITY, FORMATTER = "SCNTRG", "SCNMOD", "DEVQRY", "QRYSYS", "DFMADD"
FACTORY = {MODE: "0"}
RANGES = {MODE: "0-3", TRIGGER: "0-1"}
CONTINUOUS = "2"
WHO = "Product Name: FM430\r\nFirmware Version: 1.01.001\r\nSerial Number: SIM0001\r\n"
QUICK_S, DECODE_S, READ_S = 0.01, 0.15, 5.0


class Scanner:
    """Reads what is held in front of it while the trigger is on, or always in the continuous mode."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._saved = dict(FACTORY)
        self._now = dict(FACTORY)
        self._on_until: float | None = None
        self._window = ScanWindow()
        self._decoded = 0
        self._broken = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "present_code": self._window.present, "remove_code": self._window.clear, "power_cycle": self._power_cycle,
            "show_setup_code": self._show_setup_code, "break_scanner": self._break, "mend_scanner": self._mend,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "triggered": self._on_until is not None, "code_in_front": bool(self._window),
            "decoded_total": self._decoded, "broken": self._broken, "mode": self._now[MODE],
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        if self._on_until is not None and now >= self._on_until:
            self._on_until = None
        looks = self._on_until is not None or self._now[MODE] == CONTINUOUS
        if self._broken or not self._window or not looks:
            return []
        text, self._on_until = self._window.take(), None
        self._decoded += 1
        return [(self._pace.done_at(now, DECODE_S), text.encode() + b"\r\n")]

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while self._inbox.seek(START):
            if (end := self._inbox.data.find(END)) < 0:
                break
            frame = self._inbox.take(end + len(END))
            storage, command = frame[len(START) : len(START) + 1], frame[len(START) + 1 : -len(END)].decode("latin-1")
            answer = self._answer(storage == b"@", command, now)
            sent.append((self._pace.done_at(now, QUICK_S), PREFIX + storage + answer + END))
        return sent + self.advance(now)

    def _answer(self, for_good: bool, command: str, now: float) -> bytes:
        name, value = command[:6], command[6:]
        if name == IDENTITY:
            return (name + WHO).encode("latin-1") + DONE
        if name == HEALTH and value == "*":
            return f"{name}{int(self._broken)}".encode("latin-1") + DONE
        if name == FORMATTER:  # takes any rule, and applies none
            return command.encode("latin-1") + DONE
        if name not in RANGES:
            return command.encode("latin-1") + UNKNOWN
        if value in ("*", "&", "^"):
            return (name + self._asked(name, value)).encode("latin-1") + DONE
        if not re.fullmatch(f"[{RANGES[name]}]", value):
            return command.encode("latin-1") + OUT_OF_RANGE
        if name == TRIGGER:
            self._on_until = now + READ_S if value == "1" else None
        else:
            self._set(name, value, for_good)
        return command.encode("latin-1") + DONE

    def _asked(self, name: str, sign: str) -> str:
        return {"*": self._now, "&": FACTORY, "^": RANGES}[sign].get(name, "0")

    def _set(self, name: str, value: str, for_good: bool) -> None:
        self._now[name] = value
        if for_good:
            self._saved[name] = value

    def _show_setup_code(self, command: str = MODE + CONTINUOUS) -> None:
        """A visitor holds a set-up code in front, which a scanner obeys whoever shows it."""
        if command[:6] not in FACTORY or not re.fullmatch(f"[{RANGES[command[:6]]}]", command[6:]):
            raise ButtonRefused(f"show_setup_code: expected SCNMOD0 to SCNMOD3, got {command!r}")
        self._set(command[:6], command[6:], for_good=True)

    def _power_cycle(self) -> None:
        self._now, self._on_until = dict(self._saved), None

    def _break(self) -> None:
        """The imager is dead: the health question says so and nothing is decoded."""
        self._broken = True

    def _mend(self) -> None:
        self._broken = False


def open_peer(around: Surroundings) -> Scanner:
    """A scanner with factory settings, trigger off."""
    return Scanner(around)
