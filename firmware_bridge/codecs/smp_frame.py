"""Messages of the Simple Management Protocol (SMP): the 8 bytes of header and the CBOR map behind them.

Source: Zephyr documentation, "MCU management: SMP protocol specification"; the ``smp`` package reads and writes the
same (the tests compare). Header: version and operation, flags, length (two bytes, high byte first), group (two bytes),
sequence, command. Groups from 64 on are an application's own.

The ``smp`` package itself is not used here: its messages cost 10 MiB of memory, and it logs the bytes of every frame.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NoReturn, Protocol

import cbor2

from firmware_bridge.framing.smp_serial import CobsFrames, ConsoleFrames, encode_cobs, encode_console

Framing = Literal["console", "cobs"]
Body = Mapping[str, object]

USER_GROUPS = range(64, 1 << 16)
VERSION = 1  # of the header; on the wire "SMP version 2", whose errors name the group that they come from

_HEADER = struct.Struct(">BBHHBB")
_DEPTH = 8  # of nested maps and lists; ours have one level, image states have three
_TAGS = (*range(6), 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)


def _refuse_tag(_tag: object, _immutable: bool) -> NoReturn:
    """A tag would turn data into dates, patterns, numbers of any size: cbor2 makes CBORDecodeError of this."""
    raise ValueError("expected plain CBOR, got a tag")


_NO_TAGS = dict.fromkeys(_TAGS, _refuse_tag)


class Operation(IntEnum):
    """What a message is."""

    READ = 0
    READ_REPLY = 1
    WRITE = 2
    WRITE_REPLY = 3


_OPERATIONS: Mapping[int, Operation] = {int(operation): operation for operation in Operation}


@dataclass(frozen=True, slots=True)
class SmpMessage:
    """One message. ``sequence`` is repeated in the answer."""

    operation: Operation
    group: int
    command: int
    sequence: int
    body: Body
    version: int = VERSION

    def answers(self, request: "SmpMessage") -> bool:
        """Whether this is the answer to ``request``."""
        mine = (self.operation, self.group, self.command, self.sequence)
        return mine == (request.operation + 1, request.group, request.command, request.sequence)

    @property
    def refusal(self) -> tuple[int, int] | None:
        """Group and code of the error in an answer, or None. Group 0 stands for the codes that all groups share."""
        error = self.body.get("err")
        if isinstance(error, Mapping):
            group, code = error.get("group"), error.get("rc")
            return _number(group), _number(code)
        code = self.body.get("rc", 0)
        return (0, _number(code)) if code != 0 else None


def encode_message(message: SmpMessage) -> bytes:
    """Header and body, without framing."""
    body = cbor2.dumps(dict(message.body))
    first = message.version << 3 | message.operation
    return _HEADER.pack(first, 0, len(body), message.group, message.sequence, message.command) + body


def decode_message(data: bytes) -> SmpMessage | None:
    """The message in ``data``, or None when it holds none. CBOR tags are refused: no profile of ours has any."""
    if len(data) < _HEADER.size:
        return None
    first, _flags, length, group, sequence, command = _HEADER.unpack_from(data)
    operation, version = _OPERATIONS.get(first & 0x07), first >> 3 & 0x03
    if operation is None or len(data) != _HEADER.size + length:
        return None
    body = _map(data[_HEADER.size :])
    if body is None:
        return None
    return SmpMessage(operation, group, command, sequence, body, version)


def encode_frame(message: SmpMessage, framing: Framing) -> bytes:
    """``message`` as it goes out on a serial line."""
    data = encode_message(message)
    return encode_console(data) if framing == "console" else encode_cobs(data)


class _Frames(Protocol):
    @property
    def discarded(self) -> int: ...

    def feed(self, data: bytes) -> None: ...

    def next(self) -> bytes | None: ...

    def reset(self) -> None: ...


class SmpCodec:
    """The receiving side of a host: answers only. Other text, its own echo and what is no CBOR map are skipped."""

    def __init__(self, framing: Framing = "console") -> None:
        self._frames: _Frames = ConsoleFrames() if framing == "console" else CobsFrames()
        self._ignored = 0

    @property
    def discarded(self) -> int:
        return self._frames.discarded + self._ignored

    def feed(self, data: bytes) -> None:
        self._frames.feed(data)

    def next_reply(self) -> SmpMessage | None:
        while (data := self._frames.next()) is not None:
            message = decode_message(data)
            if message is not None and message.operation in (Operation.READ_REPLY, Operation.WRITE_REPLY):
                return message
            self._ignored += len(data)
        return None

    def reset(self) -> None:
        self._frames.reset()


def _map(data: bytes) -> Body | None:
    try:
        body = cbor2.loads(
            data,
            tag_hook=_refuse_tag,
            semantic_decoders=_NO_TAGS,
            max_depth=_DEPTH,
            strict_hashable_types=True,
        )
    except cbor2.CBORDecodeError:
        return None
    if not isinstance(body, dict) or not set(map(type, body)) <= {str}:
        return None
    return body


def _number(value: object) -> int:
    """A code as a number; -1 for what is none."""
    return value if isinstance(value, int) else -1
