"""Fingerprint module of the ZFM-20 / R30x / AS608 kind: packets that start EF 01.

Written from the module manuals: ``EF 01 | address | PID | length | payload | sum``, sum of PID..payload modulo 2^16.
A finger is its owner's key here: the module compares owners, so no biometric data exists at all. What it uploads as a
template is its owner's key, repeated.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from simulators.errors import ButtonRefused
from simulators.people import FINGERS_KNOWN
from simulators.peripherals.peer import Inbox, Output, Pace, Surroundings

START = b"\xef\x01"
COMMAND, DATA, ACKNOWLEDGE, LAST_DATA = 0x01, 0x02, 0x07, 0x08
TEMPLATE_BYTES, PACKET_BYTES = 512, 128
LONGEST_PACKET = 256 + 2
OK, PACKET_ERROR, NO_FINGER, TOO_FEW_FEATURES, NO_MATCH, NOT_FOUND = 0x00, 0x01, 0x02, 0x07, 0x08, 0x09
TEMPLATES_DIFFER, BAD_PAGE, BAD_TEMPLATE, NO_UPLOAD = 0x0A, 0x0B, 0x0C, 0x0D
WRONG_PASSWORD, NO_IMAGE, FLASH = 0x13, 0x15, 0x18
CAPACITY, GOOD_SCORE, THRESHOLD = 1000, 100, 50

Answer = tuple[int, bytes, float]
"""(confirmation, data, seconds of work)."""


class Module:
    """Pages 1 to 199 hold the fingers of p001 to p199; ``enrolled`` may be set by a profile option."""

    def __init__(self, around: Surroundings) -> None:
        self._people = around.people
        self._inbox = Inbox()
        self._pace = Pace(around.speed)
        self._address = struct.pack(">I", around.number("address", 0xFFFFFFFF))
        self._password = struct.pack(">I", around.number("password", 0))
        wanted = around.number("enrolled", FINGERS_KNOWN)
        self._pages = {p.finger_page: p.key for p in self._people if 0 < p.finger_page <= wanted}
        self._finger, self._score = "", 0
        self._image: tuple[str, int] | None = None
        self._buffers: dict[int, tuple[str, int]] = {}
        self._lifted_once = False
        self._captures = 0
        self._greet = False
        self._flash_broken = False
        self._upload = b""

    @property
    def buttons(self) -> Mapping[str, Callable[..., Any]]:
        return {
            "present_finger": self._present_finger, "lift_finger": self._lift_finger, "power_cycle": self._power_cycle,
            "break_flash": self._break_flash, "mend_flash": self._mend_flash,
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        return {"finger": self._finger, "enrolled": len(self._pages), "captures": self._captures}

    def advance(self, now: float) -> Output:
        greeting: Output = [(now + 0.1, b"\x55")] if self._greet else []  # the R503 says so when it is ready
        self._greet = False
        return greeting

    def receive(self, data: bytes, now: float) -> Output:
        self._inbox.add(data, now)
        sent: Output = []
        while (answer := self._next_answer()) is not None:
            code, extra, seconds = answer
            when = self._pace.done_at(now, seconds)
            sent.append((when, self._packet(ACKNOWLEDGE, bytes((code,)) + extra)))
            sent += [(when, packet) for packet in self._uploaded()]
        return sent

    def _uploaded(self) -> list[bytes]:
        whole, self._upload = self._upload, b""
        parts = [whole[at : at + PACKET_BYTES] for at in range(0, len(whole), PACKET_BYTES)]
        return [self._packet(LAST_DATA if n == len(parts) else DATA, part) for n, part in enumerate(parts, 1)]

    def _next_answer(self) -> Answer | None:
        inbox = self._inbox
        while inbox.seek(START) and len(inbox.data) >= 9:
            length = int.from_bytes(inbox.data[7:9], "big")
            if bytes(inbox.data[2:6]) != self._address or inbox.data[6] != COMMAND or not 3 <= length <= LONGEST_PACKET:
                inbox.drop(1)
                continue
            if len(inbox.data) < 9 + length:
                return None
            packet = bytes(inbox.data[: 9 + length])
            if sum(packet[6:-2]) & 0xFFFF != int.from_bytes(packet[-2:], "big"):
                inbox.drop(1)
                return PACKET_ERROR, b"", 0.0
            inbox.take(len(packet))
            return self._execute(packet[9], packet[10:-2])
        return None

    def _packet(self, pid: int, payload: bytes) -> bytes:
        body = bytes((pid,)) + (len(payload) + 2).to_bytes(2, "big") + payload
        return START + self._address + body + (sum(body) & 0xFFFF).to_bytes(2, "big")

    def _execute(self, instruction: int, args: bytes) -> Answer:
        actions: dict[int, tuple[str, Callable[..., Answer]]] = {
            0x01: ("", self._get_image), 0x02: ("B", self._image_to_features), 0x03: ("", self._match),
            0x04: ("BHH", self._search), 0x05: ("", self._make_template), 0x06: ("BH", self._store),
            0x07: ("BH", self._load), 0x08: ("B", self._send_template), 0x0C: ("HH", self._delete),
            0x0D: ("", self._empty), 0x0F: ("", self._parameters), 0x13: ("4s", self._verify_password),
            0x1B: ("BHH", self._search), 0x1D: ("", self._count),
            0x1F: ("B", self._index_table), 0x35: ("BBBB", lambda *_light: (OK, b"", 0.01)),
        }  # fmt: skip
        if instruction in (0x09, 0x0A):
            return NO_UPLOAD, b"", 0.01  # there are no images here, and templates are not taken from outside
        if instruction not in actions:
            return PACKET_ERROR, b"", 0.01
        layout, action = actions[instruction]
        if struct.calcsize(">" + layout) != len(args):
            return PACKET_ERROR, b"", 0.01
        return action(*struct.unpack(">" + layout, args))

    def _verify_password(self, password: bytes) -> Answer:
        return (OK if password == self._password else WRONG_PASSWORD), b"", 0.01

    def _get_image(self) -> Answer:
        """People lift the finger when it has been taken and put it down again: one empty capture lies between."""
        self._captures += 1
        if self._lifted_once:
            self._lifted_once, self._image = False, None
            return NO_FINGER, b"", 0.2
        self._image = (self._finger, self._score) if self._finger else None
        return (OK if self._image else NO_FINGER), b"", 0.2

    def _image_to_features(self, buffer: int) -> Answer:
        if self._image is None:
            return NO_IMAGE, b"", 0.05
        if self._image[1] <= 0:
            return TOO_FEW_FEATURES, b"", 0.3
        self._buffers[2 if buffer == 2 else 1] = self._image
        self._lifted_once = bool(self._finger)
        return OK, b"", 0.3

    def _make_template(self) -> Answer:
        owners = {self._buffers[n][0] for n in (1, 2) if n in self._buffers}
        if len(self._buffers) < 2 or len(owners) != 1:
            return TEMPLATES_DIFFER, b"", 0.1
        return OK, b"", 0.1

    def _store(self, buffer: int, page: int) -> Answer:
        if page >= CAPACITY:
            return BAD_PAGE, b"", 0.01
        if buffer not in self._buffers:
            return NO_IMAGE, b"", 0.01
        if self._flash_broken:
            return FLASH, b"", 0.2
        self._pages[page] = self._buffers[buffer][0]
        return OK, b"", 0.2

    def _send_template(self, buffer: int) -> Answer:
        if buffer not in self._buffers:
            return NO_UPLOAD, b"", 0.01
        self._upload = (self._buffers[buffer][0] + " ").encode() * TEMPLATE_BYTES
        self._upload = self._upload[:TEMPLATE_BYTES]
        return OK, b"", 0.05

    def _count(self) -> Answer:
        return (FLASH, b"", 0.01) if self._flash_broken else (OK, struct.pack(">H", len(self._pages)), 0.01)

    def _load(self, buffer: int, page: int) -> Answer:
        if page >= CAPACITY:
            return BAD_PAGE, b"", 0.01
        if page not in self._pages:
            return BAD_TEMPLATE, b"", 0.05
        self._buffers[buffer] = (self._pages[page], GOOD_SCORE)
        return OK, b"", 0.05

    def _match(self) -> Answer:
        if len(self._buffers) < 2:
            return NO_MATCH, b"\x00\x00", 0.05
        (owner, score), (other, other_score) = self._buffers[1], self._buffers[2]
        if owner != other or min(score, other_score) < THRESHOLD:
            return NO_MATCH, b"\x00\x00", 0.1
        return OK, struct.pack(">H", min(score, other_score)), 0.1

    def _search(self, buffer: int, start: int, count: int) -> Answer:
        owner, score = self._buffers.get(buffer, ("", 0))
        found = [page for page in sorted(self._pages) if start <= page < start + count and self._pages[page] == owner]
        if not found or score < THRESHOLD:
            return NOT_FOUND, bytes(4), 0.4
        return OK, struct.pack(">HH", found[0], score), 0.4

    def _delete(self, page: int, count: int) -> Answer:
        if page + count > CAPACITY:
            return BAD_PAGE, b"", 0.01
        self._pages = {at: owner for at, owner in self._pages.items() if not page <= at < page + count}
        return OK, b"", 0.1

    def _empty(self) -> Answer:
        self._pages.clear()
        return OK, b"", 0.3

    def _parameters(self) -> Answer:
        """Status, system id, capacity, security level, address, packet size code (128 bytes), baud / 9600."""
        return OK, struct.pack(">HHHH4sHH", 0, 9, CAPACITY, 3, self._address, 2, 6), 0.01

    def _index_table(self, table: int) -> Answer:
        bits = bytearray(32)
        for page in self._pages:
            if page // 256 == table:
                bits[page % 256 // 8] |= 1 << page % 8
        return OK, bytes(bits), 0.02

    def _present_finger(self, person: str, score: int = GOOD_SCORE) -> None:
        if self._finger:
            raise ButtonRefused(f"present_finger: expected a free sensor, the finger of {self._finger} is on it")
        self._finger, self._score = self._people.person(person).key, score

    def _lift_finger(self) -> None:
        self._finger, self._score, self._lifted_once = "", 0, False

    def _break_flash(self) -> None:
        self._flash_broken = True

    def _mend_flash(self) -> None:
        self._flash_broken = False

    def _power_cycle(self) -> None:
        self._image, self._greet = None, True
        self._buffers.clear()


def open_peer(around: Surroundings) -> Module:
    """A module with the first people of the hall enrolled."""
    return Module(around)
