"""Vendors' line protocols by description: frames of a ``LineTemplate`` to values and back.

The description itself, and what makes it unambiguous, is ``device_profiles.schema.line_template``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from device_profiles.schema.line_frame import (
    Checksum,
    Constant,
    Frame,
    Length,
    Number,
    Order,
    Text,
    length_before,
    part_size,
    span_of,
    terminator_behind,
)
from device_profiles.schema.line_template import LONGEST
from firmware_bridge.framing import checksums
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame, skip

Value = int | str

_NONE, _OPEN = -1, -2  # instead of a size: this is no such text; its end has not come yet
_SUMS: Mapping[str, Callable[[bytes], int]] = {
    "sum8": checksums.sum8,
    "sum8_negative": lambda data: -checksums.sum8(data) & 0xFF,
    "sum16": checksums.sum16,
    "xor8": checksums.xor8,
    "crc16_modbus": checksums.crc16_modbus,
    "crc16_xmodem": checksums.crc16_xmodem,
    "crc16_kermit": checksums.crc16_kermit,
    "crc16_ccitt_false": checksums.crc16_ccitt_false,
    "crc16_x25": checksums.crc16_x25,
}


@dataclass(frozen=True, slots=True)
class Received:
    """A whole frame of the device; ``frame`` is what the codec was told to call it."""

    frame: str
    values: Mapping[str, Value] = field(default_factory=dict)


class Layout:
    """A frame's description, worked out once for all the frames that are sent and received by it."""

    def __init__(self, description: Frame) -> None:
        self._fields = tuple(_field(description, at) for at in range(len(description)))
        told = [_told(description, at) for at, part in enumerate(description) if isinstance(part, Length | Checksum)]
        self._told = tuple(sorted(told, key=lambda item: item.count is not len))  # sums cover lengths: they come last

    def encode(self, values: Mapping[str, Value]) -> bytes:
        """The bytes of a frame. Raises ValueError naming the value that does not fit."""
        parts = [entry.encode(values) for entry in self._fields]
        for told in self._told:
            covered = b"".join(parts[told.first : told.behind])
            parts[told.at] = told.count(covered).to_bytes(len(parts[told.at]), told.order)
        return b"".join(parts)

    def decode(self, data: bytes) -> tuple[int, dict[str, Value]] | None:
        """Size and values of the frame at the start of ``data``; size 0: more bytes are needed; None: it is none."""
        edges, start = [0], 0
        values: dict[str, Value] = {}
        for entry in self._fields:
            size = entry.measure(data, edges) if entry.measure else entry.size
            if size == _NONE:
                return None
            end = start + size
            octets = data[start:end]
            if entry.constant and not entry.constant.startswith(octets):
                return None
            if size == _OPEN or len(data) < end:
                return (0, {}) if len(data) < LONGEST else None
            if entry.decode:
                value = entry.decode(octets)
                if value is None:
                    return None
                values[entry.value] = value
            edges.append(end)
            start = end
        return (start, values) if self._adds_up(data, edges) else None

    def _adds_up(self, data: bytes, edges: list[int]) -> bool:
        for told in self._told:
            says = int.from_bytes(data[edges[told.at] : edges[told.at + 1]], told.order)
            if says != told.count(data[edges[told.first] : edges[told.behind]]):
                return False
        return True


class LineTemplateCodec:
    """The receiving side: ``frames`` by the names that ``Received`` has for them."""

    def __init__(self, frames: Mapping[str, Frame]) -> None:
        self._layouts = {name: Layout(description) for name, description in frames.items() if description}
        self._buffer = FrameBuffer(self._find, LONGEST)
        self._found = Received("")

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Received | None:
        return None if self._buffer.next() is None else self._found

    def reset(self) -> None:
        self._buffer.reset()

    def _find(self, pending: bytes) -> Found:
        longest = -1
        for name, layout in self._layouts.items():
            known = layout.decode(pending)
            if known is not None and known[0] > longest:
                longest = known[0]
                self._found = Received(name, known[1])
        return frame(longest) if longest > 0 else NEED_MORE if longest == 0 else skip(1)


class _Field(NamedTuple):
    """A part of a frame; ``size`` in bytes unless ``measure`` tells it from the data and the edges of the parts before.

    What is told by other parts (lengths, sums) is encoded as zeros first.
    """

    encode: Callable[[Mapping[str, Value]], bytes]
    size: int = 0
    measure: Callable[[bytes, list[int]], int] | None = None
    constant: bytes = b""
    value: str = ""
    decode: Callable[[bytes], Value | None] | None = None


class _Told(NamedTuple):
    """The length or sum at position ``at``: what ``count`` makes of the parts from ``first`` to before ``behind``."""

    at: int
    first: int
    behind: int
    order: Order
    count: Callable[[bytes], int]


def _field(description: Frame, at: int) -> _Field:
    part = description[at]
    if isinstance(part, Constant):
        octets = part.octets
        return _Field(lambda _values: octets, len(octets), constant=octets)
    if isinstance(part, Text):
        return _Field(
            partial(_encode_text, part),
            part.width,
            None if part.width else _measure(description, at, part),
            value=part.value,
            decode=partial(_decode_text, part),
        )
    if isinstance(part, Number):
        return _Field(partial(_encode_number, part), part.width, value=part.value, decode=partial(_decode_number, part))
    zeros = bytes(part.width)
    return _Field(lambda _values: zeros, part.width)


def _told(description: Frame, at: int) -> _Told:
    part = description[at]
    if not isinstance(part, Length | Checksum):
        raise TypeError(f"expected a length or a checksum, got {part!r}")
    span = span_of(description, part.span)
    return _Told(at, span.start, span.stop, part.order, len if isinstance(part, Length) else _SUMS[part.sum])


def _measure(description: Frame, at: int, part: Text) -> Callable[[bytes, list[int]], int]:
    """How long the text at ``at``, which has no width, is in the data: its bytes, ``_NONE`` or ``_OPEN``."""
    length = length_before(description, at)
    if length is None:
        return partial(_up_to, (terminator_behind(description, at) or b"")[:1], part.longest)
    where = next(n for n, other in enumerate(description) if other is length)
    rest = sum(part_size(description[n]) for n in span_of(description, length.span))
    order, longest = length.order, part.longest

    def told(data: bytes, edges: list[int]) -> int:
        size = int.from_bytes(data[edges[where] : edges[where + 1]], order) - rest
        return size if 0 <= size <= longest else _NONE

    return told


def _up_to(terminator: bytes, longest: int, data: bytes, edges: list[int]) -> int:
    start = edges[-1]
    end = data.find(terminator, start)
    if (len(data) if end < 0 else end) - start > longest:
        return _NONE
    return _OPEN if end < 0 else end - start


def _encode_number(part: Number, values: Mapping[str, Value]) -> bytes:
    value = values[part.value]
    if not isinstance(value, int) or not 0 <= value <= part.largest:
        raise ValueError(f"{part.value}: expected a number from 0 to {part.largest}, got {value!r}")
    if part.kind == "binary":
        return value.to_bytes(part.width, part.order)
    if part.kind == "ascii":
        return _ordered(f"{value:0{part.width}d}".encode("ascii"), part.order)
    return _ordered(bytes.fromhex(f"{value:0{2 * part.width}d}"), part.order)


def _encode_text(part: Text, values: Mapping[str, Value]) -> bytes:
    limit = part.width or part.longest
    plain = "".join(character if character.isprintable() else " " for character in str(values[part.value]))
    data = plain.encode(part.charset, "replace")[:limit].decode(part.charset, "ignore").encode(part.charset)
    return data.ljust(part.width)


def _decode_text(part: Text, octets: bytes) -> str | None:
    try:
        text = octets.decode(part.charset)
    except UnicodeDecodeError:
        return None
    if not text.isprintable():
        return None
    return text.rstrip(" ") if part.width else text


def _decode_number(part: Number, octets: bytes) -> int | None:
    if part.kind == "binary":
        return int.from_bytes(octets, part.order)
    digits = _ordered(octets, part.order)
    written = digits.hex() if part.kind == "bcd" else digits.decode("latin-1")
    return int(written) if written.isascii() and written.isdigit() else None


def _ordered(digits: bytes, order: Order) -> bytes:
    return digits if order == "big" else digits[::-1]
