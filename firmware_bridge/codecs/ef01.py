"""EF 01 packets of fingerprint modules (ZFM-20, R30x, FPM10A, AS608, R503).

Source: ZFM-20 and R503 user manuals, agreed upon by five public drivers. ``EF 01 | address (4) | PID | length (2) |
payload | sum (2)``, big-endian; length = payload + 2, sum = 16-bit sum of PID, length and payload. The first payload
byte of an acknowledgement is a confirmation code. An R503 also sends a lone 55h after power-on: that is noise here.

Images and templates are biometric data: no command that brings an image out of the module exists in this file, and
``repr`` of what a template comes in keeps it to itself.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, seek, skip
from firmware_bridge.framing.checksums import sum16

ANY_ADDRESS = 0xFFFFFFFF  # the factory address; a module answers to it

_PREAMBLE = b"\xef\x01"
_COMMAND, _DATA, _ACK, _LAST_DATA = 0x01, 0x02, 0x07, 0x08
_PIDS = (_COMMAND, _DATA, _ACK, _LAST_DATA)
_HEADER, _SUM = 9, 2
_LONGEST_PAYLOAD = 256


class Instruction(IntEnum):
    """First payload byte of a command."""

    GET_IMAGE = 0x01
    IMAGE_TO_FEATURES = 0x02
    MATCH = 0x03
    SEARCH = 0x04
    MAKE_TEMPLATE = 0x05
    STORE = 0x06
    LOAD = 0x07
    UPLOAD_TEMPLATE = 0x08
    DELETE = 0x0C
    READ_PARAMETERS = 0x0F
    VERIFY_PASSWORD = 0x13
    COUNT_TEMPLATES = 0x1D


class Confirmation(IntEnum):
    """First payload byte of an acknowledgement."""

    OK = 0x00
    PACKET_ERROR = 0x01
    NO_FINGER = 0x02
    IMAGE_FAILED = 0x03
    IMAGE_MESSY = 0x06
    FEW_FEATURES = 0x07
    NO_MATCH = 0x08
    NOT_FOUND = 0x09
    TEMPLATES_DIFFER = 0x0A
    BAD_PAGE = 0x0B
    DATABASE_READ = 0x0C
    UPLOAD_FAILED = 0x0D
    IMAGE_UPLOAD_FAILED = 0x0F
    DELETE_FAILED = 0x10
    CLEAR_FAILED = 0x11
    WRONG_PASSWORD = 0x13
    NO_IMAGE = 0x15
    FLASH = 0x18
    BAD_REGISTER = 0x1A
    BAD_ADDRESS = 0x20
    PASSWORD_NEEDED = 0x21


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """``confirmation`` is a ``Confirmation`` or a number that the manuals do not list."""

    address: int
    confirmation: int
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class DataPacket:
    """A part of what UPLOAD_TEMPLATE brings, after its acknowledgement."""

    address: int
    last: bool
    data: bytes = field(repr=False)


Ef01Reply = Acknowledgement | DataPacket


@dataclass(frozen=True, slots=True)
class Parameters:
    """Answer of READ_PARAMETERS; ``pages`` is how many templates the module can hold."""

    system_id: int
    pages: int
    security_level: int
    address: int


def encode(instruction: int, arguments: bytes = b"", *, address: int = ANY_ADDRESS) -> bytes:
    """A command packet."""
    payload = bytes((instruction,)) + arguments
    if len(payload) > _LONGEST_PAYLOAD:
        raise ValueError(f"arguments: expected at most {_LONGEST_PAYLOAD - 1} bytes, got {len(arguments)}")
    checked = bytes((_COMMAND,)) + (len(payload) + _SUM).to_bytes(2, "big") + payload
    return _PREAMBLE + address.to_bytes(4, "big") + checked + sum16(checked).to_bytes(_SUM, "big")


def parse_parameters(data: bytes) -> Parameters:
    """The 16 bytes of READ_PARAMETERS: status, system id, pages, security, address (4), packet size, speed."""
    if len(data) != 16:
        raise ValueError(f"parameters: expected 16 bytes, got {len(data)}")
    words = [int.from_bytes(data[at : at + 2], "big") for at in (2, 4, 6)]
    return Parameters(words[0], words[1], words[2], int.from_bytes(data[8:12], "big"))


class Ef01Codec:
    """The receiving side: acknowledgements and data; commands, which only a host sends, are checked and dropped."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, _HEADER + _LONGEST_PAYLOAD + _SUM)
        self._ignored = 0

    @property
    def discarded(self) -> int:
        return self._buffer.discarded + self._ignored

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Ef01Reply | None:
        while (found := self._buffer.next()) is not None:
            address, payload = int.from_bytes(found[2:6], "big"), found[_HEADER:-_SUM]
            if found[6] == _ACK:
                return Acknowledgement(address, payload[0], payload[1:])
            if found[6] != _COMMAND:
                return DataPacket(address, found[6] == _LAST_DATA, payload)
            self._ignored += len(found)
        return None

    def reset(self) -> None:
        self._buffer.reset()


def _find(pending: bytes) -> Found:
    if before := seek(pending, _PREAMBLE):
        return skip(before)
    if len(pending) < _HEADER:
        return NEED_MORE
    length = int.from_bytes(pending[7:9], "big")
    if pending[6] not in _PIDS or not _SUM < length <= _LONGEST_PAYLOAD + _SUM:
        return skip(1)
    size = _HEADER + length
    if len(pending) < size:
        return NEED_MORE
    total = sum16(pending[6 : size - _SUM])
    return frame(size) if total.to_bytes(_SUM, "big") == pending[size - _SUM : size] else skip(1)
