"""Identity card reader: SAM_V module on a UART (GA 450 / GA 467 family).

Written from the protocol tables of GA 450: frame ``AA AA AA 96 69 | length | SW or command | data | XOR``.
"""

import random
import struct
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.people import Person
from simulators.peripherals.id_text import KINDS, encode_text
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings, xor

PREAMBLE = bytes.fromhex("AAAAAA9669")
LONGEST_COMMAND = 64  # bytes after the length field; no command of the tables comes near it
BAUDS = {0: 115200, 1: 57600, 2: 38400, 3: 19200, 4: 9600}
OK, FOUND = 0x90, 0x9F
BAD_CHECKSUM, BAD_LENGTH, BAD_COMMAND = 0x10, 0x11, 0x21
READ_FAILED, SELF_TEST_FAILED, NO_CARD, SELECT_FAILED, ABSENT = 0x41, 0x60, 0x80, 0x81, 0x91
PHOTO = bytes(1024)  # WLT is proprietary: a block of zeros has the right length and shows nobody
FINGERPRINTS = b"nobody's finger " * 64  # 1024 bytes where a chip holds two fingers, 512 where it holds one

Answer = tuple[int, bytes, float]
"""(SW3, data, seconds of work)."""


class SamV:
    """The module with a card on it, or none. ``baud`` is the line speed it listens at."""

    def __init__(self, around: Surroundings) -> None:
        self._people = around.people
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._seed = around.seed
        self.baud = around.profile.line.baud
        self._card: Person | None = None
        self._kind = "citizen"
        self._fingerprints = FINGERPRINTS
        self._newer_address = ""
        self._sick = False
        self._step = "idle"  # idle -> found -> selected -> read: then the card has to leave first
        self._broken_reads = 0
        self._reads = self._finds = 0

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "insert_card": self._insert_card, "remove_card": self._remove_card, "fail_read": self._fail_read,
            "append_address": self._append_address, "set_baud": self._set_baud, "fail_self_test": self._fail_self_test,
            "mend": self._mend,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {
            "card": self._card.key if self._card else "",
            "step": self._step,
            "reads": self._reads,
            "finds": self._finds,
            "baud": self.baud,
        }

    def advance(self, now: float) -> Output:
        return []

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while (answer := self._next_answer()) is not None:
            sw3, body, seconds = answer
            sent.append((self._pace.done_at(now, seconds), _frame(sw3, body)))
        return sent

    def _next_answer(self) -> Answer | None:
        inbox = self._inbox
        if not inbox.seek(PREAMBLE) or len(inbox.data) < 7:
            return None
        length = int.from_bytes(inbox.data[5:7], "big")
        if not 3 <= length <= LONGEST_COMMAND:
            inbox.drop(len(PREAMBLE))
            return BAD_LENGTH, b"", 0.002
        if len(inbox.data) < 7 + length:
            return None
        frame = inbox.take(7 + length)
        if xor(frame[5:-1]) != frame[-1]:
            return BAD_CHECKSUM, b"", 0.002
        return self._execute(frame[7], frame[8])

    def _execute(self, command: int, parameter: int) -> Answer:
        if command == 0x60 and parameter in BAUDS:
            self.baud = BAUDS[parameter]
            return OK, b"", 0.002
        action = {
            (0x10, 0xFF): self._reset,
            (0x11, 0xFF): lambda: (SELF_TEST_FAILED if self._sick else OK, b"", 0.002),
            (0x12, 0xFF): lambda: (OK, self._sam_id(), 0.005),
            (0x20, 0x01): self._find,
            (0x20, 0x02): self._select,
            (0x30, 0x01): lambda: self._read(with_fingerprints=False),
            (0x30, 0x10): lambda: self._read(with_fingerprints=True),
            (0x30, 0x03): self._read_appended,
        }.get((command, parameter))
        return action() if action else (BAD_COMMAND, b"", 0.002)

    def _reset(self) -> Answer:
        self._step = "idle"
        return OK, b"", 0.2

    def _sam_id(self) -> bytes:
        serial = random.Random(f"sam/{self._seed}").randrange(10**9)
        return struct.pack("<HHIII", 5, 3, 20260101, 123456, serial)

    def _find(self) -> Answer:
        self._finds += 1
        if self._card is None or self._step == "read":
            return NO_CARD, b"", 0.03
        self._step = "found"
        return FOUND, bytes(4), 0.03

    def _select(self) -> Answer:
        if self._card is None or self._step not in ("found", "selected"):
            return SELECT_FAILED, b"", 0.03
        self._step = "selected"
        return OK, bytes(8), 0.05

    def _read(self, with_fingerprints: bool) -> Answer:
        if self._card is None or self._step != "selected":
            return READ_FAILED, b"", 0.05
        self._step = "read"
        if self._broken_reads:
            self._broken_reads -= 1
            return READ_FAILED, b"", 0.4
        self._reads += 1
        text = encode_text(self._card, self._kind)
        if with_fingerprints:
            lengths = struct.pack(">HHH", len(text), len(PHOTO), len(self._fingerprints))
            return OK, lengths + text + PHOTO + self._fingerprints, 1.4
        return OK, struct.pack(">HH", len(text), len(PHOTO)) + text + PHOTO, 0.9

    def _read_appended(self) -> Answer:
        if self._card is None or self._step not in ("selected", "read"):
            return READ_FAILED, b"", 0.05
        if not self._newer_address:
            return ABSENT, b"", 0.2
        return OK, self._newer_address[:35].ljust(35).encode("utf-16-le"), 0.2

    def _insert_card(self, person: str, kind: str = "citizen", fingers: int = 2) -> None:
        if self._card is not None:
            raise ButtonRefused(f"insert_card: expected an empty reader, the card of {self._card.key} lies on it")
        if kind not in KINDS:
            raise ButtonRefused(f"insert_card: kind: expected one of {', '.join(KINDS)}, got {kind!r}")
        if fingers not in (0, 1, 2):
            raise ButtonRefused(f"insert_card: fingers: expected 0, 1 or 2 on the chip, got {fingers}")
        self._fingerprints = FINGERPRINTS[: 512 * fingers]
        self._card, self._kind, self._step = self._people.person(person), kind, "idle"

    def _remove_card(self) -> None:
        self._card, self._step, self._newer_address = None, "idle", ""

    def _append_address(self, address: str) -> None:
        if self._card is None:
            raise ButtonRefused("append_address: expected a card on the reader, there is none")
        self._newer_address = address

    def _set_baud(self, baud: int) -> None:
        """Somebody used the module at another speed before."""
        if baud not in BAUDS.values():
            raise ButtonRefused(f"set_baud: expected one of {', '.join(map(str, BAUDS.values()))}, got {baud}")
        self.baud = baud

    def _fail_self_test(self) -> None:
        self._sick = True

    def _mend(self) -> None:
        self._sick = False

    def _fail_read(self, times: int = 1) -> None:
        self._broken_reads = times


def _frame(sw3: int, data: bytes) -> bytes:
    body = struct.pack(">H", len(data) + 4) + bytes((0, 0, sw3)) + data
    return PREAMBLE + body + bytes((xor(body),))


def open_peer(around: Surroundings) -> SamV:
    """A SAM_V module without a card."""
    return SamV(around)
