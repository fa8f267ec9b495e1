"""Pictures and notes of a camera: what the transports ``v4l2`` and ``folder`` carry, and a simulated camera on a pty.

Source: ITU-T T.81 (JPEG) annex B for the pictures: markers and segment lengths, so that a thumbnail inside does not end
one. The notes are our own: a kernel device has calls, not bytes. The host asks ``?07`` (are you ready), ``!07`` (a
picture taken after this), ``=07`` (the verdict beside the last picture), each with a line feed; 07 is a tag in hex. The
answers:

* ``#ready 07 name`` or ``#blind 07 reason``;
* ``#picture 07``, and then the picture as it is; or ``#blind 07 reason``;
* ``#verdict 07 live 0.97`` (or ``spoof``, ``unknown``).

The tag tells a late picture, which shows somebody else, from the one that was asked for.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

LONGEST_PICTURE = 512 * 1024

_LONGEST_NOTE = 120
_NOTE = re.compile(rb"#(ready|blind|picture|verdict) ([0-9a-f]{2})(?: ([ -~]*))?\n")
_CONTROL = re.compile(rb"[^ -~]")
_CANDIDATE = re.compile(rb"#(?:[rbpv]|\Z)|\xff(?:\xd8|\Z)")
_SOI, _EOI, _SOS = b"\xff\xd8", 0xD9, 0xDA
_IN_SCAN = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")  # a marker: no stuffed zero, fill byte or restart
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEGMENTS = frozenset(range(0xC0, 0xFF)) - set(range(0xD0, 0xDA))

Ask = Literal["?", "!", "="]


@dataclass(frozen=True, slots=True)
class Note:
    """A line about the camera or the picture that follows."""

    word: str
    tag: int
    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One JPEG. It shows a person: ``repr`` keeps it to itself."""

    data: bytes = field(repr=False)
    width: int
    height: int


Reply = Note | Picture


def encode_ask(what: Ask, tag: int) -> bytes:
    """A question; ``tag`` 0 to 255."""
    return f"{what}{tag:02x}\n".encode("ascii")


def encode_note(word: str, tag: int, text: str = "") -> bytes:
    """A line of an answer; ``text`` is cut and made printable."""
    printable = "".join(char if " " <= char <= "~" else "?" for char in text)[:80]
    return f"#{word} {tag:02x} {printable}".rstrip().encode("ascii") + b"\n"


class CameraCodec:
    """The receiving side. A picture of more than ``longest`` bytes is passed over."""

    def __init__(self, longest: int = LONGEST_PICTURE) -> None:
        self._longest = longest
        self._buffer = FrameBuffer(self._find, max(longest, _LONGEST_NOTE))

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        if (found := self._buffer.next()) is None:
            return None
        if note := _NOTE.fullmatch(found):
            return Note(note[1].decode("ascii"), int(note[2], 16), (note[3] or b"").decode("ascii"))
        width, height = size_of(found) or (0, 0)
        return Picture(found, width, height)

    def reset(self) -> None:
        self._buffer.reset()

    def _find(self, pending: bytes) -> Found:
        if pending[:1] == b"#":
            found = _find_note(pending)
        elif pending[:1] == b"\xff":
            found = self._find_picture(pending)
        else:
            found = skip(1)
        if found >= 0:
            return found
        candidate = _CANDIDATE.search(pending, 1)
        return skip(candidate.start() if candidate else len(pending))

    def _find_picture(self, pending: bytes) -> Found:
        if not _SOI.startswith(pending[:2]):
            return skip(1)
        end = _end_of_picture(pending)
        if end == 0:
            return NEED_MORE
        return frame(end) if 0 < end <= self._longest else skip(1)


def size_of(picture: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG, or None when it is none or has no size before its first scan."""
    at = 2
    while len(picture) >= at + 9 and picture[at] == 0xFF and picture[at + 1] in _SEGMENTS:
        marker, length = picture[at + 1], int.from_bytes(picture[at + 2 : at + 4], "big")
        if marker in _FRAME_HEADERS:
            height, width = (int.from_bytes(picture[at + n : at + n + 2], "big") for n in (5, 7))
            return (width, height) if width and height else None
        if marker == _SOS:
            return None
        at += 2 + length
    return None


def is_picture(data: bytes) -> bool:
    """Whether ``data`` is one whole JPEG."""
    return data.startswith(_SOI) and _end_of_picture(data) == len(data)


def _end_of_picture(data: bytes) -> int:
    """How long the JPEG is that ``data`` begins with; 0 when it is not whole yet, -1 when it is none."""
    at, headers = 2, 0
    while True:
        if len(data) < at + 4:
            return 0 if data[at : at + 1] in (b"", b"\xff") else -1
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at] != 0xFF or marker not in _SEGMENTS or length < 2:
            return -1
        headers += marker in _FRAME_HEADERS
        if headers > 1 or (marker == _SOS and size_of(data) is None):
            return -1  # two headers: one picture was cut short, and another stands behind it
        at += 2 + length
        if marker != _SOS:
            continue
        found = _IN_SCAN.search(data, at)
        if found is None:
            return 0
        if data[found.end() - 1] == _EOI:
            return found.end()
        at = found.end() - 2  # a progressive picture has several scans


def _find_note(pending: bytes) -> Found:
    if pending[1:2] not in (b"", b"r", b"b", b"p", b"v"):
        return skip(1)
    end = pending.find(b"\n", 0, _LONGEST_NOTE) + 1
    if end:
        return frame(end) if _NOTE.fullmatch(pending, 0, end) else skip(1)
    whole = len(pending) < _LONGEST_NOTE and _CONTROL.search(pending) is None
    return NEED_MORE if whole else skip(1)
