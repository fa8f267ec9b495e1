"""Card dispensers that work when the host says ENQ: QUIO QU-CD-720M and 820M.

Source: QUIO QU-CD-720M/820M manual 3.19, 3.5 (commands, examples, states); an older edition of the same manual agrees
on DC, CP, RF and ST. Host ``02 C1 C2 03 BCC``, the dispenser sends 06 or 15, the host 05 (ENQ), and only then the
dispenser carries the command out; RF, PB, PC and GV are answered with ``02 R1 R2 D1 D2 D3 03 BCC``, the others not at
all. BCC is the XOR of everything before it.

D1801 and K720 dispensers have the same exchange (frame, 06, 05) as far as we remember; their commands, states and the
address that some of them put into the frame are NOT from a document and not supported: check on the device.
"""

from dataclasses import dataclass
from enum import IntFlag, StrEnum

from firmware_bridge.codecs.handshake import Handshake, HandshakeCodec
from firmware_bridge.framing.buffer import NEED_MORE, Found, frame, skip
from firmware_bridge.framing.checksums import xor8

ENQUIRY = b"\x05"  # after ACK: carry it out

_STX, _ETX = 0x02, 0x03
_SIZE = 8
_CONTROLS = {0x06: Handshake.ACK, 0x15: Handshake.NAK}
_READY_BY_PRIORITY = 0x000  # an answer to RF with no state at all says "ready"


class Command(StrEnum):
    """C1 C2."""

    DISPENSE = "DC"
    CALL_BACK = "CP"
    STATE = "RF"
    RESET = "ST"
    FLAGS = "PB"
    CLEAR_FLAGS = "PC"
    VERSION = "GV"


ANSWERED_AS = {
    Command.STATE: "SF",
    Command.FLAGS: "PB",
    Command.CLEAR_FLAGS: "PC",
    Command.VERSION: "GV",
}


class Flag(IntFlag):
    """The low four bits of D1, D2 and D3 in one number, D1 first (answer to PB and PC).

    RF uses the same bits but tells only the most urgent one, and its lowest bit says NOT ready.
    """

    BIN_FULL = 0x100
    DISPENSE_FAILED = 0x200
    CALLING_BACK = 0x400
    DISPENSING = 0x800
    HOPPER_LOW = 0x010
    JAMMED = 0x020
    CALLED_BACK = 0x040
    TAKEN_AWAY = 0x080
    READY = 0x001
    AT_READING_PLACE = 0x002
    AT_TAKING_PLACE = 0x004
    HOPPER_EMPTY = 0x008


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as sent; ``name`` is R1 R2, ``data`` D1 D2 D3."""

    name: str
    data: bytes


Reply = Handshake | Answer


def encode(command: Command) -> bytes:
    """A host frame."""
    unchecked = bytes((_STX,)) + command.encode("ascii") + bytes((_ETX,))
    return unchecked + bytes((xor8(unchecked),))


def parse_flags(answer: Answer) -> Flag | None:
    """The flags of an answer to PB, PC or RF, READY meaning ready in all of them; None for bytes that are no flags."""
    if any(byte >> 4 != 0x3 for byte in answer.data):
        return None
    bits = int("".join(f"{byte & 0x0F:X}" for byte in answer.data), 16)
    if answer.name != ANSWERED_AS[Command.STATE]:
        return Flag(bits)
    return Flag.READY if bits == _READY_BY_PRIORITY else Flag(bits) & ~Flag.READY


def dispenser_enq_codec() -> HandshakeCodec[Answer]:
    """The receiving side."""
    return HandshakeCodec(_find, _parse, _CONTROLS, _SIZE)


def _find(pending: bytes) -> Found:
    if pending[0] != _STX or not all(0x41 <= byte <= 0x5A for byte in pending[1:3]):
        return skip(1)
    if len(pending) < _SIZE:
        return NEED_MORE
    whole = pending[6] == _ETX and xor8(pending[:7]) == pending[7]
    return frame(_SIZE) if whole else skip(1)


def _parse(data: bytes) -> Answer:
    return Answer(name=data[1:3].decode("ascii"), data=data[3:6])
