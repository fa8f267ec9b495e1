"""A boot loader with two slots, as MCUboot's swap with scratch does it: an image is tried once, kept when confirmed.

Written from MCUboot's design document. The running image is in slot 0. An image in slot 1 that is marked is swapped
with it at the next start, page by page over a scratch page, with a note after every step, so that a start after a cut
goes on where the last one stopped. The start after a trial that nobody confirmed swaps back.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from simulators.loaders.flash import Area, Note, Power

MAGIC, TLV_MAGIC, PROTECTED_MAGIC, SHA256_TLV = 0x96F3B83D, 0x6907, 0x6908, 0x10
HEADER = struct.Struct("<IIHHIIBBHII")
TO_SCRATCH, TO_FIRST, TO_SECOND = 0, 1, 2  # the three steps of swapping one page


class Mark(IntEnum):
    """What the next start shall do with slot 1."""

    NONE = 0
    TEST = 1
    PERMANENT = 2


class Swap(IntEnum):
    """A swap under way, and what it is for."""

    NONE = 0
    TEST = 1
    PERMANENT = 2
    REVERT = 3


@dataclass(frozen=True, slots=True)
class Found:
    """A whole image in a slot."""

    version: str
    digest: bytes
    size: int


class TwoSlots:
    """The flash of the device and its boot loader. ``start`` is what happens at power-on; it may raise PowerCut."""

    def __init__(self, power: Power, size: int, page: int, factory: bytes) -> None:
        self.slots = (Area(power, size, page), Area(power, size, page))
        self._scratch = Area(power, page, page)
        self._note = Note(power, mark=Mark.NONE, swap=Swap.NONE, step=0, trial=0)
        self.slots[0].data[: len(factory)] = factory

    @property
    def on_trial(self) -> bool:
        """Whether the running image will be left at the next start."""
        return bool(self._note["trial"])

    @property
    def mark(self) -> Mark:
        """What the next start will do."""
        return Mark(self._note["mark"])

    def image(self, slot: int) -> Found | None:
        """The image in a slot, None when there is no whole one."""
        return read_image(bytes(self.slots[slot].data))

    def request(self, mark: Mark) -> None:
        """Have slot 1 started next time."""
        self._note.write(mark=mark)

    def confirm(self) -> None:
        """Keep what runs."""
        self._note.write(trial=0)

    def erase(self) -> None:
        """Empty slot 1; its mark goes first, so that half an image is never started."""
        if self._note["mark"]:
            self._note.write(mark=Mark.NONE)
        self.slots[1].erase()

    def start(self) -> Found | None:
        """Boot: finish or begin a swap; the image that runs, None for a brick."""
        if self._note["swap"] == Swap.NONE:
            self._decide()
        if self._note["swap"] != Swap.NONE:
            self._go_on()
        return self.image(0)

    def _decide(self) -> None:
        if self._note["trial"]:
            self._note.write(swap=Swap.REVERT, step=0, mark=Mark.NONE)
        elif self._note["mark"] == Mark.NONE:
            return
        elif self.image(1) is None:
            self._note.write(mark=Mark.NONE)
        else:
            kind = Swap.TEST if self._note["mark"] == Mark.TEST else Swap.PERMANENT
            self._note.write(swap=kind, step=0, mark=Mark.NONE)

    def _go_on(self) -> None:
        """Each step can be done twice: it only reads what the steps before it have finished."""
        first, second = self.slots
        while self._note["step"] < 3 * first.pages:
            page, step = divmod(self._note["step"], 3)
            if step == TO_SCRATCH:
                self._scratch.write(0, first.read(page))
            elif step == TO_FIRST:
                first.write(page, second.read(page))
            else:
                second.write(page, self._scratch.read(0))
            self._note.write(step=self._note["step"] + 1)
        self._note.write(trial=int(self._note["swap"] == Swap.TEST), swap=Swap.NONE, step=0)


def read_image(data: bytes) -> Found | None:
    """The image at the beginning of ``data`` when its SHA-256 fits; the signature is the business of the update."""
    if len(data) < HEADER.size:
        return None
    magic, _, header, protected, size, _, major, minor, revision, build, _ = HEADER.unpack_from(data)
    end = header + size + protected
    if magic != MAGIC or header < HEADER.size or end + 4 > len(data):
        return None
    tlv_magic, total = struct.unpack_from("<HH", data, end)
    if tlv_magic != TLV_MAGIC or end + total > len(data):
        return None
    digest = hashlib.sha256(data[:end]).digest()
    at = end + 4
    while at + 4 <= end + total:
        kind, length = struct.unpack_from("<HH", data, at)
        if kind == SHA256_TLV and data[at + 4 : at + 4 + length] == digest:
            text = f"{major}.{minor}.{revision}" + (f".{build}" if build else "")
            return Found(text, digest, end + total)
        at += 4 + length
    return None


def factory_image(version: str) -> bytes:
    """A small image without a signature, as the factory flashes it."""
    major, minor, revision = (int(part) for part in version.split("."))
    program = f"factory {version}".encode()
    body = HEADER.pack(MAGIC, 0, HEADER.size, 0, len(program), 0, major, minor, revision, 0, 0) + program
    return body + struct.pack("<HHHH", TLV_MAGIC, 40, SHA256_TLV, 32) + hashlib.sha256(body).digest()
