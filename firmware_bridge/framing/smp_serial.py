"""How messages of the Simple Management Protocol (SMP) travel on a serial line: console lines and raw COBS.

Console framing (Zephyr, "SMP over console"; the ``smp`` package reads and writes the same): 06 09 begins the first line
of a message, 04 14 each further one, 0A ends a line of at most 127 bytes; between them stands base64 of length (two
bytes, high byte first; message and checksum), message, CRC-16/XMODEM (high byte first). The same UART may carry a log:
any other text, before a line or between two lines of a message, is skipped.

Raw COBS (MCUboot serial recovery): COBS of message and CRC-16/XMODEM (high byte first), then 00. The cobs package ends
a full block of 254 bytes without the 01 that MCUboot adds there; both sides read both.
"""

import binascii
import re

from cobs import cobs  # type: ignore[import-untyped]

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from firmware_bridge.framing.checksums import crc16_xmodem

LINE_LENGTH = 127  # Zephyr's longest console line, markers and end included
LONGEST_MESSAGE = 8 * 1024  # servers announce 256 to 4096 bytes

_FIRST, _NEXT, _END = b"\x06\x09", b"\x04\x14", b"\n"
_START = re.compile(rb"[\x06\x04]")  # of either marker
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]")
_LONGEST_LINE = 1024  # a server that does not split its answers sends longer lines than Zephyr's
_HEADER, _CRC = 8, 2


def encode_console(message: bytes, line_length: int = LINE_LENGTH) -> bytes:
    """``message`` as console lines of at most ``line_length`` bytes each."""
    packed = (len(message) + _CRC).to_bytes(2, "big") + message + _checksum(message)
    text = binascii.b2a_base64(packed, newline=False)
    # Whole groups, so that each line decodes by itself; one byte is left for the 00 that the device puts behind a line.
    size = (line_length - len(_FIRST) - len(_END) - 1) // 4 * 4
    if size <= 0:
        raise ValueError(f"line_length: expected at least 8 bytes, got {line_length}")
    lines = [text[at : at + size] for at in range(0, len(text), size)]
    return b"".join((_NEXT if n else _FIRST) + line + _END for n, line in enumerate(lines))


def encode_cobs(message: bytes) -> bytes:
    """``message`` as one COBS frame, its ending 00 included."""
    encoded: bytes = cobs.encode(message + _checksum(message))
    return encoded + b"\0"


class ConsoleFrames:
    """The receiving side of console framing. ``discarded`` counts the bytes that belonged to no message."""

    def __init__(self, longest: int = LONGEST_MESSAGE) -> None:
        self._longest = longest
        self._lines = FrameBuffer(_find_line, _LONGEST_LINE)
        self._text = b""  # base64 of the message so far, as far as it is not a whole group
        self._packed = b""  # what it stands for: length, message, checksum
        self._taken = 0  # bytes of the line that the message so far was made of
        self._dropped = 0

    @property
    def discarded(self) -> int:
        return self._lines.discarded + self._dropped

    def feed(self, data: bytes) -> None:
        """Bytes as they came."""
        self._lines.feed(data)

    def next(self) -> bytes | None:
        """The next whole, checked message, or None when more bytes are needed."""
        while (line := self._lines.next()) is not None:
            if (message := self._add(line)) is not None:
                return message
        return None

    def reset(self) -> None:
        """Forget what is half received."""
        self._lines.reset()
        self._drop()

    def _add(self, line: bytes) -> bytes | None:
        if line.startswith(_FIRST):
            self._drop()
        elif not self._taken:
            self._dropped += len(line)  # the rest of a message whose beginning nobody saw
            return None
        self._taken += len(line)
        if not self._unpack(line[len(_FIRST) :].rstrip(b"\r\n")):
            self._drop()
            return None
        return self._complete()

    def _unpack(self, text: bytes) -> bool:
        """Whether the line continued the message."""
        text = self._text + text
        whole = len(text) // 4 * 4
        self._text = text[whole:]
        try:
            self._packed += binascii.a2b_base64(text[:whole], strict_mode=True)
        except binascii.Error:
            return False
        return len(self._packed) < 2 or self._size() <= min(self._longest, 0xFFFF) + _CRC

    def _complete(self) -> bytes | None:
        if len(self._packed) < 2 or len(self._packed) < 2 + self._size():
            return None
        packed = self._packed
        message, sum_ = packed[2:-_CRC], packed[-_CRC:]
        if len(packed) != 2 + self._size() or self._text or len(packed) < 2 + _CRC or _checksum(message) != sum_:
            self._drop()
            return None
        self._taken = 0
        self._drop()
        return message

    def _size(self) -> int:
        return int.from_bytes(self._packed[:2], "big")

    def _drop(self) -> None:
        self._dropped += self._taken
        self._text, self._packed, self._taken = b"", b"", 0


class CobsFrames:
    """The receiving side of raw COBS. ``discarded`` counts the bytes that belonged to no message.

    A message also has to have the length that its SMP header says: behind text without a 00 the true beginning is
    searched byte by byte, and a checksum of 16 bits alone would find one too many now and then.
    """

    def __init__(self, longest: int = LONGEST_MESSAGE) -> None:
        longest_frame = longest + _CRC
        longest_frame += longest_frame // 254 + 2
        self._longest = longest_frame
        self._buffer = FrameBuffer(self._find, longest_frame + 1)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        """Bytes as they came."""
        self._buffer.feed(data)

    def next(self) -> bytes | None:
        """The next whole, checked message, or None when more bytes are needed."""
        found = self._buffer.next()
        return None if found is None else _decoded(found[:-1])

    def reset(self) -> None:
        """Forget what is half received."""
        self._buffer.reset()

    def _find(self, pending: bytes) -> Found:
        end = pending.find(0)
        if (excess := (len(pending) if end < 0 else end) - self._longest) > 0:
            return skip(excess)
        if end < 0:
            return NEED_MORE
        if _decoded(pending[:end]) is not None:
            return frame(end + 1)
        behind = next((at for at in range(1, end) if _decoded(pending[at:end]) is not None), end + 1)
        return skip(behind)


def _decoded(data: bytes) -> bytes | None:
    """The message in one COBS frame without its 00, or None when it holds none."""
    try:
        packed = cobs.decode(data)
    except cobs.DecodeError:
        return None
    message = packed[:-_CRC]
    if len(message) < _HEADER or len(message) != _HEADER + int.from_bytes(message[2:4], "big"):
        return None
    return message if _checksum(message) == packed[-_CRC:] else None


def _find_line(pending: bytes) -> Found:
    """A line that begins with one of the two markers and holds nothing but base64."""
    if pending[:2] not in (_FIRST, _NEXT):
        if pending in (_FIRST[:1], _NEXT[:1]):
            return NEED_MORE
        start = _START.search(pending, 1)
        return skip(len(pending) if start is None else start.start())
    behind = _NOT_BASE64.search(pending, len(_FIRST))
    if behind is None:
        return skip(2) if len(pending) >= _LONGEST_LINE else NEED_MORE
    end = behind.start()
    if pending[end : end + 1] == _END:
        return frame(end + 1)
    if pending[end : end + 1] != b"\r":
        return skip(end)
    if len(pending) == end + 1:
        return NEED_MORE
    return frame(end + 2) if pending[end + 1 : end + 2] == _END else skip(end)


def _checksum(message: bytes) -> bytes:
    return crc16_xmodem(message).to_bytes(_CRC, "big")
