"""A bounded receive buffer that cuts frames out of a stream and finds its way again after noise.

A codec brings one function, ``find(pending)``, that looks at the bytes not yet used and answers

* ``NEED_MORE``: this may be the start of a frame; wait for more bytes;
* ``frame(n)``: the first ``n`` bytes are a whole, checked frame;
* ``skip(n)``: the first ``n`` bytes belong to no frame; drop them and look again.

After a candidate that fails its check answer ``skip(1)``, not its whole length: the true frame may start inside.
"""

from collections.abc import Callable
from typing import NewType

SLACK = 64 * 1024  # one read of a transport may bring many frames before the first is taken out


Found = NewType("Found", int)
"""What ``find`` saw: bytes of a frame, bytes of noise below 0. ``NEED_MORE``, ``frame`` and ``skip`` make one."""

NEED_MORE = Found(0)


def frame(size: int) -> Found:
    """The first ``size`` bytes are a frame."""
    return Found(size)


def skip(size: int) -> Found:
    """The first ``size`` bytes are noise."""
    return Found(-size)


def seek(pending: bytes, preamble: bytes) -> int:
    """How many bytes stand before ``preamble``, or before a beginning of it at the very end."""
    at = pending.find(preamble)
    if at >= 0:
        return at
    for kept in range(min(len(preamble) - 1, len(pending)), 0, -1):
        if pending.endswith(preamble[:kept]):
            return len(pending) - kept
    return len(pending)


class FrameBuffer:
    """Holds what was received and not used yet: at most ``limit`` bytes (the longest frame) plus one read.

    ``discarded`` counts the bytes that belonged to no frame.
    """

    def __init__(self, find: Callable[[bytes], Found], limit: int) -> None:
        self._find = find
        self._limit = limit
        self._pending = b""
        self.discarded = 0

    def __len__(self) -> int:
        return len(self._pending)

    def feed(self, data: bytes) -> None:
        """Append received bytes; what nobody took out and exceeds the bound is dropped, oldest first."""
        self._pending += data
        if (excess := len(self._pending) - self._limit - SLACK) > 0:
            self._drop(excess)

    def next(self) -> bytes | None:
        """The next whole frame, or None when more bytes are needed."""
        while self._pending:
            found = self._find(self._pending)
            if found > 0:
                data, self._pending = self._pending[:found], self._pending[found:]
                return data
            if found < 0:
                self._drop(-found)
            elif len(self._pending) >= self._limit:
                self._drop(1)  # no frame is that long: the candidate was noise
            else:
                return None
        return None

    def reset(self) -> int:
        """Drop everything pending, count it, and return how many bytes it was."""
        if size := len(self._pending):
            self._drop(size)
        return size

    def _drop(self, size: int) -> None:
        self.discarded += size
        self._pending = self._pending[size:]
