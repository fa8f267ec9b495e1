"""QR and barcode scanner: Zebra, Simple Serial Interface.

Written from the SSI programmer's guide: ``length opcode source status data checksum`` both ways, every command
answered with ACK (D0) or NAK (D1) and a cause; a decoded code (F3) wants an ACK and is sent again without one, with
status bit 0 set; a code of more than 250 bytes takes several packets, all but the last with status bit 1.

Where the guide is silent: a packet with a wrong checksum is answered NAK 01, an unknown command NAK 02, a broken
scanner answers NAK 06; an unacknowledged packet is sent three times, two seconds apart.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings
from simulators.peripherals.scan_window import ScanWindow

HOST, SCANNER = 0x04, 0x00
ACK, NAK, DECODED = 0xD0, 0xD1, 0xF3
ASK_REVISION, REVISION, PARAMETER, FLUSH = 0xA3, 0xA4, 0xC6, 0xD2
START, STOP, ENABLE, DISABLE = 0xE4, 0xE5, 0xE9, 0xEA
RESEND, BAD_CONTEXT, DENIED = 0x01, 0x02, 0x06
SENT_AGAIN, CONTINUES = 0x01, 0x02
QR_TYPE, CODE_128 = 0x1C, 0x03
QUICK_S, DECODE_S, SESSION_S, HOST_SILENT_S, SENDINGS = 0.01, 0.15, 9.9, 2.0, 3
LONGEST_PART = 0xFF - 4
SOFTWARE = "NBRAAB F 004 A1B2"


class Scanner:
    """Reads what is held in front of it while a session runs; ``pull_trigger`` is a session by hand."""

    def __init__(self, around: Surroundings) -> None:
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._sleeps_after_s = around.number("sleeps_after_s", 0)
        self._awake_until = float("inf")
        self._enabled = True
        self._broken = False
        self._session_until: float | None = None
        self._hand = False
        self._window = ScanWindow()
        self._decoded = 0
        self._queue: deque[bytes] = deque()
        self._sendings = 0
        self._send_at = float("inf")
        self.unacknowledged = 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "present_code": self._window.present, "remove_code": self._window.clear, "pull_trigger": self._pull_trigger,
            "break_scanner": self._break, "mend_scanner": self._mend,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "triggered": self._session_until is not None, "code_in_front": bool(self._window),
            "decoded_total": self._decoded, "broken": self._broken, "waiting_packets": len(self._queue),
            "unacknowledged": self.unacknowledged,
        }  # fmt: skip

    def advance(self, now: float) -> Output:
        if self._hand:
            self._hand, self._session_until = False, now + SESSION_S
        if self._session_until is not None and now >= self._session_until:
            self._session_until = None
        if self._session_until is not None and self._window and self._enabled and not self._broken:
            self._decode(now)
        return self._send_queue(now)

    def receive(self, data: bytes, now: float) -> Output:
        asleep = now > self._awake_until
        self._awake_until = now + self._sleeps_after_s if self._sleeps_after_s else float("inf")
        if asleep:
            data = data[1:]  # the first byte only wakes it
        self._inbox.add(data, now)
        sent: Output = []
        while (packet := self._next_packet()) is not None:
            sent += [(self._pace.done_at(now, QUICK_S), answer) for answer in self._execute(packet, now)]
        return sent + self.advance(now)

    def _next_packet(self) -> bytes | None:
        inbox = self._inbox
        while len(inbox.data) >= 4:
            size = inbox.data[0]
            if size < 4 or inbox.data[2] != HOST:
                inbox.drop(1)
                continue
            if len(inbox.data) < size + 2:
                return None
            if bytes(inbox.data[size : size + 2]) != checksum(bytes(inbox.data[:size])):
                inbox.drop(1)
                return packet(NAK, bytes((RESEND,)))
            return inbox.take(size + 2)[:size]
        return None

    def _execute(self, asked: bytes, now: float) -> list[bytes]:
        opcode = asked[1]
        if asked[2] == SCANNER:
            return [asked]  # the NAK for a damaged packet
        if opcode == ACK:
            self._acknowledged(now)
            return []
        if opcode == NAK:
            self._send_at = now
            return []
        if self._broken:
            return [packet(NAK, bytes((DENIED,)))]
        if opcode == ASK_REVISION:
            return [packet(REVISION, SOFTWARE.encode("ascii"))]
        if opcode not in (START, STOP, ENABLE, DISABLE, FLUSH, PARAMETER):
            return [packet(NAK, bytes((BAD_CONTEXT,)))]
        if opcode == START and not self._enabled:
            return [packet(NAK, bytes((DENIED,)))]
        self._obey(opcode, now)
        return [packet(ACK)]

    def _obey(self, opcode: int, now: float) -> None:
        if opcode in (ENABLE, DISABLE):
            self._enabled = opcode == ENABLE
        elif opcode == START:
            self._session_until = now + SESSION_S
        elif opcode == STOP:
            self._session_until = None
        elif opcode == FLUSH:
            self._queue.clear()
            self._send_at = float("inf")

    def _decode(self, now: float) -> None:
        text, self._session_until = self._window.take(), None
        self._decoded += 1
        kind = QR_TYPE if len(text) > 20 else CODE_128
        data = bytes((kind,)) + text.encode()
        parts = [data[at : at + LONGEST_PART] for at in range(0, len(data), LONGEST_PART)]
        for part in parts[:-1]:
            self._queue.append(packet(DECODED, part, CONTINUES))
        self._queue.append(packet(DECODED, parts[-1]))
        self._sendings, self._send_at = 0, self._pace.done_at(now, DECODE_S)

    def _send_queue(self, now: float) -> Output:
        if not self._queue or now < self._send_at:
            return []
        if self._sendings == SENDINGS:
            self.unacknowledged += len(self._queue)
            self._queue.clear()
            return []
        first = self._queue[0]
        self._sendings += 1
        self._send_at = now + HOST_SILENT_S
        return [(now, first if self._sendings == 1 else packet(first[1], first[4:-2], first[3] | SENT_AGAIN))]

    def _acknowledged(self, now: float) -> None:
        if self._queue and self._sendings:
            self._queue.popleft()
            self._sendings, self._send_at = 0, now + QUICK_S

    def _pull_trigger(self) -> None:
        """A session that nobody at the host asked for."""
        self._hand = True

    def _break(self) -> None:
        """The imager is dead: every command is denied."""
        self._broken, self._session_until = True, None

    def _mend(self) -> None:
        self._broken = False


def packet(opcode: int, data: bytes = b"", status: int = 0) -> bytes:
    """A packet of the scanner."""
    body = bytes((4 + len(data), opcode, SCANNER, status)) + data
    return body + checksum(body)


def checksum(body: bytes) -> bytes:
    """Two's complement of the sum, high byte first."""
    return ((0x10000 - sum(body) % 0x10000) % 0x10000).to_bytes(2, "big")


def open_peer(around: Surroundings) -> Scanner:
    """A scanner that is enabled, with no session."""
    return Scanner(around)
