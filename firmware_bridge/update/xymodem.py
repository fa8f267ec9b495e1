"""The sending side of XMODEM-CRC, XMODEM-1K and YMODEM, sans-IO: what came in, what to send next.

Frames (Forsberg, "XMODEM/YMODEM protocol reference", 1988; the vectors are recomputed): 01 or 02, block number, its
complement, 128 or 1024 bytes filled up with 1A, then CRC-16/XMODEM high byte first, or the low byte of the sum when the
receiver began with 15 instead of C. The receiver answers 06 or 15; 04 ends, 18 18 cancels. YMODEM begins with a block
0 of name and size, and ends the batch with an empty one.

Neither knows a place to go on at: after a break the whole image is sent again.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from firmware_bridge.framing.checksums import crc16_xmodem, sum8
from firmware_bridge.update.errors import TransferFailed

SOH, STX, EOT, ACK, NAK, CAN, CRC_MODE = 0x01, 0x02, 0x04, 0x06, 0x15, 0x18, 0x43
FILL = 0x1A
BLOCK_TRIES, END_TRIES, ASK_TRIES = 10, 2, 3
CANCEL = bytes([CAN] * 8 + [0x08] * 8)  # the backspaces wipe it from a terminal's screen

_ASKED_OFTEN = re.compile(b"C+")

Flavour = Literal["xmodem", "xmodem-1k", "ymodem"]


class _Phase(StrEnum):
    WAITING = "waiting"  # for the receiver's C
    NAMED = "named"  # block 0 is out (YMODEM)
    STARTING = "starting"  # block 0 was taken; the C for the data is still to come
    SENDING = "sending"
    ENDING = "ending"  # 04 is out
    CLOSING = "closing"  # the empty block 0 is due or out (YMODEM)
    DONE = "done"


@dataclass(slots=True)
class _Block:
    data: bytes
    tries: int = 0


class Sender:
    """Feed it the receiver's bytes; it says what to write. ``sent`` counts bytes of the image that were taken."""

    def __init__(self, content: bytes, flavour: Flavour, name: str = "firmware.bin") -> None:
        self._content = content
        self._flavour = flavour
        self._name = name
        self._size = 128 if flavour == "xmodem" else 1024
        self._phase = _Phase.WAITING
        self._number = 1
        self._out = _Block(b"")
        self._length = 0
        self._with_crc = True
        self._cancels = 0
        self._closed_asked = False
        self._unasked = 0
        self.sent = 0

    @property
    def done(self) -> bool:
        return self._phase is _Phase.DONE

    def receive(self, data: bytes) -> bytes:
        """What to write now, possibly nothing. Raises TransferFailed when the receiver gave up or is too unlucky."""
        # A receiver that waits asks every few seconds: what has piled up is one question.
        return b"".join(self._one(byte) for byte in _ASKED_OFTEN.sub(b"C", data))

    def silence(self) -> bytes:
        """Nothing came for a while: what to write again. Raises TransferFailed when that has happened too often.

        Silence after the end is no failure: a loader may start the image before its last word has left the line.
        """
        ended = self._phase is _Phase.ENDING and self._out.tries >= END_TRIES
        if ended or self._phase is _Phase.CLOSING:
            self._phase = _Phase.DONE
            return b""
        if self._out.data:
            return self._again()
        self._unasked += 1
        if self._unasked >= ASK_TRIES:
            raise TransferFailed(
                "expected the device to ask for the image (43 or 15), it does not; is it in its loader?"
            )
        return b""

    def _one(self, byte: int) -> bytes:
        self._cancels = self._cancels + 1 if byte == CAN else 0
        if self._cancels == 2:
            raise TransferFailed(f"the device cancelled the transfer at byte {self.sent} of {len(self._content)}")
        if byte == ACK:
            return self._taken()
        if byte == NAK and self._phase is not _Phase.WAITING:
            return self._again()
        if byte in (CRC_MODE, NAK):
            return self._asked(byte)
        return b""  # a boot loader's banner, noise: not for us

    def _asked(self, byte: int) -> bytes:
        if self._phase is _Phase.WAITING:
            if byte == NAK and self._flavour != "xmodem":
                return b""  # only plain XMODEM knows sums; a loader says no to noise as well
            self._with_crc = byte == CRC_MODE
            if self._flavour == "ymodem":
                self._phase = _Phase.NAMED
                return self._put(self._frame(0, self._header()))
            return self._start()
        if self._phase is _Phase.STARTING:
            return self._start()
        if self._phase is _Phase.SENDING and not (self.sent or self._with_crc):
            self._with_crc = True  # the refusal was of noise, not a wish for sums
            return self._next()
        if self._phase is _Phase.NAMED:
            return self._again()
        if self._phase is _Phase.CLOSING and not self._closed_asked:
            self._closed_asked = True
            return self._put(self._frame(0, bytes(128)))
        return b""

    def _taken(self) -> bytes:
        if self._phase is _Phase.NAMED:
            self._phase, self._out = _Phase.STARTING, _Block(b"")
        elif self._phase is _Phase.SENDING:
            self.sent += self._length
            self._number = (self._number + 1) % 256
            return self._next()
        elif self._phase is _Phase.ENDING:
            self._phase = _Phase.CLOSING if self._flavour == "ymodem" else _Phase.DONE
            self._out = _Block(b"")
        elif self._phase is _Phase.CLOSING and self._closed_asked:
            self._phase = _Phase.DONE
        return b""

    def _start(self) -> bytes:
        self._phase = _Phase.SENDING
        return self._next()

    def _next(self) -> bytes:
        rest = len(self._content) - self.sent
        if rest == 0:
            self._phase = _Phase.ENDING
            return self._put(bytes([EOT]))
        size = self._size if rest > 128 else 128  # a short rest needs no long block
        self._length = min(size, rest)
        data = self._content[self.sent : self.sent + self._length]
        return self._put(self._frame(self._number, data.ljust(size, bytes([FILL]))))

    def _put(self, data: bytes) -> bytes:
        self._out = _Block(data)
        return data

    def _again(self) -> bytes:
        self._out.tries += 1
        if self._out.tries >= BLOCK_TRIES:
            raise TransferFailed(f"the device did not take byte {self.sent} in {BLOCK_TRIES} tries; is the line noisy?")
        return self._out.data

    def _header(self) -> bytes:
        return f"{self._name}\0{len(self._content)}".encode("ascii").ljust(128, b"\0")

    def _frame(self, number: int, data: bytes) -> bytes:
        head = bytes([STX if len(data) == 1024 else SOH, number, 0xFF - number])
        check = crc16_xmodem(data).to_bytes(2, "big") if self._with_crc else bytes([sum8(data)])
        return head + data + check
