"""Honeywell scanners in serial mode: menu commands, their answers, and raw decoded text on one line.

Source: Honeywell manuals and public notes with a recorded exchange (python_hon_usbhid); the scan engine manual CM-2D202
has the same commands. Trigger on ``16 54 0D``, off ``16 55 0D``, neither is answered. Menu: ``16 4D 0D``, the command,
``.`` (for good) or ``!`` (until power is lost). Instead of a value: ``?`` what it is now, ``^`` the factory's, ``*``
the range. Answer: lines of text if there are any, then the command with its value, 06 (done), 05 (no such command) or
15 (out of range), and the storage sign. Decoded text follows without a frame, set up to end with CR LF.

An answer and a code differ only in how they end, so the lines of an answer come out of here as ``Scanned``.
"""

from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.codecs.scanned_text import CONTROL, LONGEST_TEXT, TEXT_END, RawText, Scanned
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame

TRIGGER_ON, TRIGGER_OFF = b"\x16T\r", b"\x16U\r"

_MENU = b"\x16M\r"
_FOR_GOOD, _FOR_NOW = b".", b"!"
_LONGEST_COMMAND = 256


class Verdict(IntEnum):
    """What the scanner makes of a menu command."""

    DONE = 0x06
    NO_SUCH_COMMAND = 0x05
    OUT_OF_RANGE = 0x15


@dataclass(frozen=True, slots=True)
class MenuAnswer:
    """The end of the scanner's answer: the command with its value filled in, and a verdict."""

    text: str
    verdict: Verdict

    def value_of(self, command: str) -> str | None:
        """What stands behind ``command`` (without its query sign), or None when this answers another command."""
        return self.text[len(command) :] if self.text.startswith(command) else None


Reply = MenuAnswer | Scanned


def encode_menu(command: str, *, for_good: bool = False) -> bytes:
    """A menu command such as ``REVINF`` or ``TRGMOD?``. Letters, digits and query signs, at most 256."""
    if not command.isascii() or not command.isprintable() or not 1 <= len(command) <= _LONGEST_COMMAND:
        raise ValueError(f"command: expected 1 to {_LONGEST_COMMAND} printable ASCII characters, got {len(command)}")
    return _MENU + command.encode("ascii") + (_FOR_GOOD if for_good else _FOR_NOW)


class HoneywellCodec:
    """The receiving side. Text that is too long, or of which a part was lost, is reported as not whole at its end."""

    def __init__(self, longest_text: int = LONGEST_TEXT) -> None:
        self._text = RawText(longest_text)
        self._buffer = FrameBuffer(self._find, max(longest_text + len(TEXT_END), _LONGEST_COMMAND + 2) + 1)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        if (found := self._buffer.next()) is None:
            return None
        if found.endswith(TEXT_END):
            return self._text.take(found)
        self._text.reset()
        return MenuAnswer(found[:-2].decode("ascii", "replace"), Verdict(found[-2]))

    def reset(self) -> None:
        self._buffer.reset()
        self._text.reset()

    def _find(self, pending: bytes) -> Found:
        control = CONTROL.search(pending)
        if control is not None and 0 < control.start() <= _LONGEST_COMMAND and pending[control.start()] in set(Verdict):
            sign = pending[control.end() : control.end() + 1]
            if not sign:
                return NEED_MORE
            if sign in (_FOR_GOOD, _FOR_NOW):
                return frame(control.end() + 1)
        return self._text.find(pending)
