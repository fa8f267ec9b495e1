"""Newland scanners in serial mode: commands in words, their answers, and raw decoded text on one line.

Source: Newland NLS-HR52 and FM530 manuals (programming commands), the maker's Android SDK. Host: ``7E 01 30 30 30
30``, ``@`` (for good) or ``#`` (until power is lost), then ``TAG SUB value`` (``,`` a further value of the same tag,
``;`` a further tag), ``3B 03``. Instead of a value: ``*`` what it is now, ``&`` the factory's, ``^`` its range. Answer:
the same with 02 01 in front, the value filled in, and before the suffix 06 (done), 15 (out of range) or 05 (unknown).
Decoded text follows without a frame; the scanner is set up (by its set-up code) to end it with CR LF.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs.scanned_text import LONGEST_TEXT, TEXT_END, RawText, Scanned
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

_HOST, _SCANNER = b"\x7e\x010000", b"\x02\x010000"
_FOR_GOOD, _FOR_NOW = b"@", b"#"
_SUFFIX = b";\x03"
_END = re.compile(rb"[\x06\x15\x05];\x03")
_LONGEST_ANSWER = 1024
_LONGEST_COMMAND = 512
_HEADER, _TRAILER = len(_SCANNER) + 1, 1 + len(_SUFFIX)


class Verdict(IntEnum):
    """What the scanner makes of a command."""

    DONE = 0x06
    OUT_OF_RANGE = 0x15
    NO_SUCH_COMMAND = 0x05


@dataclass(frozen=True, slots=True)
class Answer:
    """The scanner's answer: the command with its value filled in, and a verdict."""

    text: str
    verdict: Verdict

    def value_of(self, command: str) -> str | None:
        """What stands behind ``command`` (without its query sign), or None when this answers another command."""
        return self.text[len(command) :] if self.text.startswith(command) else None


Reply = Answer | Scanned


def encode(command: str, *, for_good: bool = False) -> bytes:
    """A command such as ``SCNTRG1`` or ``DEVQRY*``. Printable ASCII, at most 512 characters."""
    if not command.isascii() or not command.isprintable() or not 1 <= len(command) <= _LONGEST_COMMAND:
        raise ValueError(f"command: expected 1 to {_LONGEST_COMMAND} printable ASCII characters, got {len(command)}")
    return _HOST + (_FOR_GOOD if for_good else _FOR_NOW) + command.encode("ascii") + _SUFFIX


class NewlandCodec:
    """The receiving side. Text that is too long, or of which a part was lost, is reported as not whole at its end."""

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
        if not found.startswith(_SCANNER):
            return self._text.take(found)
        return Answer(found[_HEADER:-_TRAILER].decode("ascii", "replace"), Verdict(found[-_TRAILER]))

    def reset(self) -> None:
        self._buffer.reset()
        self._text.reset()

    def _find(self, pending: bytes) -> Found:
        if not pending.startswith(_SCANNER[: len(pending)]):
            return self._text.find(pending)
        if len(pending) > len(_SCANNER) and pending[len(_SCANNER) : _HEADER] not in (_FOR_GOOD, _FOR_NOW):
            return skip(1)
        if (end := _END.search(pending, _HEADER, _LONGEST_ANSWER)) is not None:
            return frame(end.end())
        return NEED_MORE if len(pending) < _LONGEST_ANSWER else skip(1)
