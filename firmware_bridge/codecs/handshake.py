"""Receiving side of protocols in which the device acknowledges a frame with one byte before it answers.

CREATOR F2 and Star TCP: single bytes (ACK, NAK, reject) and frames that start with another byte.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from firmware_bridge.framing.buffer import Found, FrameBuffer, frame

Answer = TypeVar("Answer")

ACK = b"\x06"  # the same byte both ways in both protocols


class Handshake(StrEnum):
    """What the device thinks of the frame it received."""

    ACK = "ack"  # understood: the answer follows
    NAK = "nak"  # damaged on the way: not carried out, may be sent again
    REJECT = "reject"  # undamaged and refused: sending it again changes nothing


class HandshakeCodec(Generic[Answer]):
    """Tells handshake bytes from frames; ``find`` and ``parse`` know the protocol's frames. Never raises.

    NAK and REJECT count only when nothing was discarded since ``reset`` or the last reply: in noise these bytes may
    stand for anything, and they tell the host that a physical command was not carried out.
    """

    def __init__(
        self,
        find: Callable[[bytes], Found],
        parse: Callable[[bytes], Answer],
        controls: Mapping[int, Handshake],
        limit: int,
    ) -> None:
        self._find = find
        self._parse = parse
        self._controls = controls
        self._buffer = FrameBuffer(self._look, limit)
        self._clean_since = 0
        self._ignored = 0

    @property
    def discarded(self) -> int:
        return self._buffer.discarded + self._ignored

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Handshake | Answer | None:
        while (found := self._buffer.next()) is not None:
            clean = self._buffer.discarded == self._clean_since
            control = self._controls.get(found[0])
            if control in (Handshake.NAK, Handshake.REJECT) and not clean:
                self._ignored += 1
                continue
            self._clean_since = self._buffer.discarded
            return self._parse(found) if control is None else control
        return None

    def reset(self) -> None:
        self._buffer.reset()
        self._clean_since = self._buffer.discarded

    def _look(self, pending: bytes) -> Found:
        return frame(1) if pending[0] in self._controls else self._find(pending)
