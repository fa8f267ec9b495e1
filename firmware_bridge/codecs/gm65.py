"""GM65 / GM60 family of scanners in serial mode: framed answers and raw decoded text on one line.

Source: Hangzhou Grow GM65 user manual, agreed upon by public drivers. Host: write ``7E 00 08 len addrH addrL data
CRC``, read ``7E 00 07 01 addrH addrL n CRC``, save to flash ``7E 00 09 01 00 00 00 DE C8``; CRC-16/XMODEM from the
type to the last data byte, ``AB CD`` in its place skips the check. Answer: ``02 00 state len data CRC``, CRC from the
state on. Decoded text follows without a frame; the scanner is set up (by its setup code) to end it with CR LF.

An answer begins with 02 00 and its CRC is right; everything else is text (``scanned_text``).
"""

from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs.scanned_text import LONGEST_TEXT, TEXT_END, RawText, Scanned
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from firmware_bridge.framing.checksums import crc16_xmodem

_HOST, _DEVICE = b"\x7e\x00", b"\x02\x00"
_WRITE, _READ = 0x08, 0x07
_NO_CHECK = b"\xab\xcd"
_HEADER, _CRC = 4, 2
_LONGEST_ANSWER = _HEADER + 255 + _CRC


class Zone(IntEnum):
    """Addresses of settings."""

    TRIGGER = 0x0002  # 1: scan now, until a code is read or 0 is written
    IDENTITY = 0x00E0


@dataclass(frozen=True, slots=True)
class Answer:
    """The scanner's answer to a command; ``state`` 0 is success."""

    state: int
    data: bytes


Reply = Answer | Scanned


def encode_write(zone: int, data: bytes, *, checked: bool = True) -> bytes:
    """A frame that writes ``data`` (1..255 bytes) to the settings from ``zone`` on."""
    if not 1 <= len(data) <= 255:
        raise ValueError(f"data: expected 1 to 255 bytes, got {len(data)}")
    return _encode(bytes((_WRITE, len(data))) + zone.to_bytes(2, "big") + data, checked)


def encode_read(zone: int, count: int = 1, *, checked: bool = True) -> bytes:
    """A frame that asks for ``count`` bytes (1..255) of the settings from ``zone`` on."""
    return _encode(bytes((_READ, 1)) + zone.to_bytes(2, "big") + bytes((count,)), checked)


class Gm65Codec:
    """The receiving side. A text that is too long, or of which a part was lost, is reported as not whole at its end."""

    def __init__(self, longest_text: int = LONGEST_TEXT) -> None:
        self._text = RawText(longest_text)
        self._buffer = FrameBuffer(self._find, max(longest_text + len(TEXT_END), _LONGEST_ANSWER) + 1)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        if (found := self._buffer.next()) is None:
            return None
        return Answer(found[2], found[_HEADER:-_CRC]) if _is_answer(found) else self._text.take(found)

    def reset(self) -> None:
        self._buffer.reset()
        self._text.reset()

    def _find(self, pending: bytes) -> Found:
        if pending.startswith(_DEVICE[: len(pending)]):
            return _find_answer(pending)
        return self._text.find(pending)


def _find_answer(pending: bytes) -> Found:
    if len(pending) < _HEADER or len(pending) < _HEADER + pending[3] + _CRC:
        return NEED_MORE
    size = _HEADER + pending[3] + _CRC
    return frame(size) if _is_answer(pending[:size]) else skip(1)


def _is_answer(data: bytes) -> bool:
    return data.startswith(_DEVICE) and crc16_xmodem(data[2:-_CRC]).to_bytes(_CRC, "big") == data[-_CRC:]


def _encode(body: bytes, checked: bool) -> bytes:
    crc = crc16_xmodem(body).to_bytes(_CRC, "big") if checked else _NO_CHECK
    return _HOST + body + crc
