"""CREATOR CRT-541 card dispenser.

Source: CREATOR CRT-541 specification 1.0 (2010), 4.4 and 5.1. Every frame has 7 bytes: host ``02 A1 A0 C1 C0 03 BCC``,
dispenser ``02 A1 A0 WORK STACK 03 BCC``; A1 A0 is the address, two digits "00" to "15"; BCC is the XOR of everything
before it. The dispenser answers each command with 06 A1 A0 (taken) or 15 A1 A0 (not taken), an enquiry also with its
status. The stacker codes 31h and 32h are our reading of a table of which only the first row was seen.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import partial

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip
from firmware_bridge.framing.checksums import xor8

_STX, _ETX, _ACK, _NAK = 0x02, 0x03, 0x06, 0x15
_SIZE, _VERDICT_SIZE = 7, 3


class Command(StrEnum):
    """C1 C0."""

    DISPENSE = "DC"
    ENQUIRY = "AP"
    RESET = "RS"
    PRE_DISPENSE_ON = "IP"
    PRE_DISPENSE_OFF = "IE"


class Work(IntEnum):
    """WORK. DISPENSED and REFUSED are told once, to the first enquiry after the event."""

    READY = 0x30
    DISPENSING = 0x31
    DISPENSED = 0x33
    FAILED = 0x34
    PRE_DISPENSING = 0x35
    REFUSED = 0x36


class Stack(IntEnum):
    """STACK."""

    ENOUGH = 0x30
    LOW = 0x31
    EMPTY = 0x32


@dataclass(frozen=True, slots=True)
class Verdict:
    """06 or 15 with the address: the command was taken, or not."""

    taken: bool


@dataclass(frozen=True, slots=True)
class Condition:
    """The answer to an enquiry, as sent: see ``Work`` and ``Stack``."""

    work: int
    stack: int


Reply = Verdict | Condition


def encode(address: int, command: Command) -> bytes:
    """A host frame. ``address`` is 0..15, set by the dispenser's switches. Raises ValueError beyond."""
    unchecked = bytes((_STX,)) + _digits(address) + command.encode("ascii") + bytes((_ETX,))
    return unchecked + bytes((xor8(unchecked),))


class Crt541Codec:
    """The receiving side for one dispenser; what another address sends is noise here. Never raises.

    A refusal has no checksum, so it counts only when nothing was discarded since ``reset`` or the last reply: it tells
    the host that a card was not dispensed.
    """

    def __init__(self, address: int) -> None:
        self._buffer = FrameBuffer(partial(_find, _digits(address)), _SIZE)
        self._clean_since = 0
        self._ignored = 0

    @property
    def discarded(self) -> int:
        return self._buffer.discarded + self._ignored

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Reply | None:
        while (found := self._buffer.next()) is not None:
            clean = self._buffer.discarded == self._clean_since
            if found[0] == _NAK and not clean:
                self._ignored += len(found)
                continue
            self._clean_since = self._buffer.discarded
            return Condition(found[3], found[4]) if found[0] == _STX else Verdict(found[0] == _ACK)
        return None

    def reset(self) -> None:
        self._buffer.reset()
        self._clean_since = self._buffer.discarded


def _digits(address: int) -> bytes:
    if not 0 <= address <= 15:
        raise ValueError(f"address: expected 0 to 15, got {address}")
    return f"{address:02d}".encode("ascii")


def _find(address: bytes, pending: bytes) -> Found:
    first, named = pending[0], pending[1:3]
    if first not in (_STX, _ACK, _NAK) or named != address[: len(named)]:
        return skip(1)
    if len(named) < len(address):
        return NEED_MORE
    if first != _STX:
        return frame(_VERDICT_SIZE)
    if len(pending) < _SIZE:
        return NEED_MORE
    whole = pending[5] == _ETX and xor8(pending[:6]) == pending[6]
    return frame(_SIZE) if whole else skip(1)
