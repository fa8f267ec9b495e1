"""QR and barcode scanner: GM65 family on a UART.

Written from the GM65 manual: ``7E 00 type length address data CRC`` answered by ``02 00 state length data CRC``,
CRC-16/XMODEM over type..data, ``AB CD`` in its place skips the check. Decoded text follows raw.
"""

from collections.abc import Callable, Mapping
from typing import Any

import fastcrc

from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings
from simulators.peripherals.scan_window import ScanWindow

READ, WRITE, SAVE = 0x07, 0x08, 0x09
SKIP_CHECK = b"\xab\xcd"
TRIGGER, READ_TIME, MODEL, SOFTWARE, DEFAULTS = 0x0002, 0x0006, 0x00E0, 0x00E2, 0x00D9
FACTORY = {0x0000: 0xD6, READ_TIME: 0x32, MODEL: 0x02, 0x00E1: 0x64, SOFTWARE: 0x69, 0x00E3: 0x10, 0x00E4: 0x05}
DONE, REFUSED = 0x00, 0x01  # state of an answer: the manual only says that 00 is success
QUICK_S, DECODE_S = 0.01, 0.15


class Scanner:
    """Reads what is held in front of it, only while the trigger is on; ends each code with CR LF."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._zones = dict(FACTORY)
        self._saved = dict(FACTORY)
        self._on_until: float | None = None
        self._window = ScanWindow()
        self._decoded = 0
        self._broken = False

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "present_code": self._window.present, "remove_code": self._window.clear, "power_cycle": self._power_cycle,
            "break_scanner": self._break, "mend_scanner": self._mend,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "triggered": bool(self._zones.get(TRIGGER, 0) & 1),
            "code_in_front": bool(self._window),
            "decoded_total": self._decoded,
            "broken": self._broken,
        }

    def advance(self, now: float) -> Output:
        if self._on_until is not None and now >= self._on_until:
            self._release()
        if self._broken or not self._window or not self._zones.get(TRIGGER, 0) & 1:
            return []
        text = self._window.take()
        self._release()
        self._decoded += 1
        return [(self._pace.done_at(now, DECODE_S), text.encode() + b"\r\n")]

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while (frame := self._next_frame()) is not None:
            if (answer := self._execute(frame, now)) is not None:
                state = REFUSED if self._broken else DONE
                sent.append((self._pace.done_at(now, QUICK_S), _answer(state, answer)))
        return sent + self.advance(now)

    def _next_frame(self) -> bytes | None:
        """Type..data of the next command with a good check value; others are passed over in silence."""
        inbox = self._inbox
        while inbox.seek(b"\x7e\x00") and len(inbox.data) >= 4:
            kind, length = inbox.data[2], inbox.data[3]
            if kind not in (READ, WRITE, SAVE) or length == 0:
                inbox.drop(1)
                continue
            if len(inbox.data) < 8 + length:
                return None
            covered, check = bytes(inbox.data[2 : 6 + length]), bytes(inbox.data[6 + length : 8 + length])
            if check not in (SKIP_CHECK, fastcrc.crc16.xmodem(covered).to_bytes(2, "big")):
                inbox.drop(1)
                continue
            inbox.take(8 + length)
            return covered
        return None

    def _execute(self, covered: bytes, now: float) -> bytes | None:
        kind, address, data = covered[0], int.from_bytes(covered[2:4], "big"), covered[4:]
        if kind == READ:
            return bytes(self._zones.get(address + offset, 0) for offset in range(data[0] or 256))
        if kind == SAVE:
            self._saved = {zone: value for zone, value in self._zones.items() if zone != TRIGGER}
            return b"\x00"
        if address == DEFAULTS:
            self._zones = dict(FACTORY)
            return b"\x00"
        for offset, value in enumerate(data):
            self._write(address + offset, value, now)
        return b"\x00"

    def _write(self, zone: int, value: int, now: float) -> None:
        self._zones[zone] = value
        if zone == TRIGGER:
            seconds = self._zones.get(READ_TIME, 0) / 10  # one read lasts 0.1 s times zone 0006; 0 has no end
            self._on_until = now + seconds if value & 1 and seconds else None

    def _release(self) -> None:
        self._zones[TRIGGER], self._on_until = 0, None

    def _break(self) -> None:
        """The imager is dead: commands are answered with a state other than success, nothing is decoded."""
        self._broken = True

    def _mend(self) -> None:
        self._broken = False

    def _power_cycle(self) -> None:
        self._zones = dict(self._saved)
        self._release()


def _answer(state: int, data: bytes) -> bytes:
    body = bytes((state, len(data) & 0xFF)) + data
    return b"\x02\x00" + body + fastcrc.crc16.xmodem(body).to_bytes(2, "big")


def open_peer(around: Surroundings) -> Scanner:
    """A scanner with factory settings, trigger off."""
    return Scanner(around)
