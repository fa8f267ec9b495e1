"""A device whose boot loader takes one image by XMODEM-CRC, XMODEM-1K or YMODEM, around its application.

Our own invented loader, as small printers and pads have it: the application jumps to it on a vendor command
(``update.entry``); the image is collected in a second area, checked, then copied over the application page by page,
with a note of the page, so that a start after a cut copies on. Without a whole application the loader waits for an
image.

The image has a head of its own, since XMODEM cannot tell a size: "HFLD", version (u8, u8, u16, u32), size of the rest
and its CRC-32 (u32 each), little-endian.
"""

import binascii
import struct
from typing import Any

from simulators.errors import SimulatorError
from simulators.loaders import Application
from simulators.loaders.flash import Area, Note
from simulators.loaders.modem_receiver import Receiver
from simulators.loaders.powered import PoweredDevice
from simulators.peripherals.peer import Output, Surroundings

HEAD = struct.Struct("<4sBBHIII")
MAGIC = b"HFLD"
WAIT_S = 60.0  # the loader gives the line back to the application after that much silence


class ModemDevice(PoweredDevice):
    """See ``simulators.loaders`` for its options."""

    def __init__(self, around: Surroundings, application: Application) -> None:
        super().__init__()
        update = around.profile.update
        if update is None:
            raise SimulatorError(f"{around.profile.id}: update: expected how its loader is entered, got nothing")
        self._entry = bytes.fromhex(update.entry)
        self._ymodem = update.method == "ymodem"
        self._start_application = application
        size, page = around.number("slot_bytes", 256 * 1024), around.number("page_bytes", 4096)
        self._main, self._second = Area(self.power, size, page), Area(self.power, size, page)
        self._note = Note(self.power, copying=0, page=0)
        factory = loader_image(around.word("firmware", "1.0.0"), b"factory")
        self._main.data[: len(factory)] = factory
        self._tail = b""
        self._receiver: Receiver | None = None
        self._fresh = False
        self._hangs = False
        self.boot(0.0)

    def boot(self, now: float) -> None:
        self._tail, self._receiver = b"", None
        if self._note["copying"]:
            self._copy()
        version = app_version(bytes(self._main.data))
        wrong = self.take_wrong() if self._fresh else ""
        self._fresh, self._hangs = False, bool(wrong)
        if version is None:
            self._listen(now)
        else:
            self.application = self._start_application(version)

    def hear(self, data: bytes, now: float) -> Output:
        if self._receiver is not None:
            return self._receive(self._receiver, data, now)
        self._tail = (self._tail + data)[-64:]
        if self._entry in self._tail:
            self.application = None
            self._listen(now)
            return self.tick(now)
        return [] if self.application is None or self._hangs else self.application.receive(data, now)

    def tick(self, now: float) -> Output:
        if self._receiver is not None:
            if now - self._receiver.heard_at > WAIT_S:
                self.restart(now)
                return []
            return self._receiver.advance(now)
        return [] if self.application is None or self._hangs else self.application.advance(now)

    def snapshot(self) -> dict[str, Any]:
        running = app_version(bytes(self._main.data)) if self.application is not None else None
        return {**super().snapshot(), "running": running, "in_loader": self._receiver is not None}

    def _listen(self, now: float) -> None:
        self._receiver = Receiver(self._ymodem, self._store, now)

    def _store(self, offset: int, data: bytes) -> bool:
        """A block of the image; False when the second area is full."""
        if offset + len(data) > len(self._second.data):
            return False
        if offset == 0:
            self._second.erase()
        self._second.put(offset, data)
        return True

    def _receive(self, receiver: Receiver, data: bytes, now: float) -> Output:
        sent = receiver.receive(data, now)
        if receiver.finished:
            if app_version(bytes(self._second.data)) is not None:
                self._note.write(copying=1, page=0)
                self._fresh = True
            self.restart(now)
        return sent

    def _copy(self) -> None:
        while self._note["page"] < self._main.pages:
            page = self._note["page"]
            self._main.write(page, self._second.read(page))
            self._note.write(page=page + 1)
        self._note.write(copying=0)


def loader_image(version: str, program: bytes) -> bytes:
    """An image that the loader takes; ``version`` is major.minor.revision."""
    major, minor, revision = (int(part) for part in version.split("."))
    return HEAD.pack(MAGIC, major, minor, revision, 0, len(program), binascii.crc32(program)) + program


def app_version(data: bytes) -> str | None:
    """The version of the whole image at the beginning of ``data``, None when there is none."""
    magic, major, minor, revision, _, size, check = HEAD.unpack_from(data)
    program = data[HEAD.size : HEAD.size + size]
    if magic != MAGIC or len(program) != size or binascii.crc32(program) != check:
        return None
    return f"{major}.{minor}.{revision}"
