"""Decoded text that a scanner sends raw between the framed answers of its protocol, each ended with CR LF.

Text never holds control characters, so text that runs into one was damaged. Its rest must not pass for a code: a
payment code without its head is another one.
"""

import re
from dataclasses import dataclass, field

from firmware_bridge.framing.buffer import NEED_MORE, Found, frame, skip

LONGEST_TEXT = 4296  # characters of the largest QR code with letters and digits (ISO/IEC 18004, version 40-L)
TEXT_END = b"\r\n"
CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Scanned:
    """Decoded text as sent, without its CR LF; not ``whole`` and empty when it was too long or damaged.

    A payment code is as good as money: ``repr`` keeps it to itself.
    """

    data: bytes = field(repr=False)
    whole: bool = True


class RawText:
    """The text's share of a codec: ``find`` for what begins with no frame, ``take`` for what it found."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._part_lost = False

    def find(self, pending: bytes) -> Found:
        """A whole text with its end, or how much of a damaged one to pass over."""
        control = CONTROL.search(pending)
        end = control.start() if control else len(pending)
        if end <= self._longest:
            if control is None or pending[end:] == TEXT_END[:1]:
                return NEED_MORE
            if pending.startswith(TEXT_END, end) and (end or self._part_lost):
                return frame(end + len(TEXT_END))
        # Too long, or a control character inside: what follows up to the next end is not a code by itself.
        self._part_lost = self._part_lost or end > 0
        return skip(end or 1)

    def take(self, found: bytes) -> Scanned:
        """What ``find`` found, as a reply."""
        whole, self._part_lost = not self._part_lost, False
        return Scanned(found[: -len(TEXT_END)] if whole else b"", whole)

    def reset(self) -> None:
        """Forget that a part of a text was lost."""
        self._part_lost = False
