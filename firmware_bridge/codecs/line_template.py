"""Vendors' line protocols by description: frames of a ``LineTemplate`` to values and back.

The description itself, and what makes it unambiguous, is ``device_profiles.schema.line_template``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from device_profiles.schema.line_frame import (
    Checksum,
    Constant,
    Frame,
    Length,
    Number,
    Order,
    Part,
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


@dataclass(frozen=True, slots=True)
class Received:
    """A whole frame of the device; ``frame`` is what the codec was told to call it."""

    frame: str
    values: Mapping[str, Value] = field(default_factory=dict)


def encode(description: Frame, values: Mapping[str, Value]) -> bytes:
    """The bytes of a frame. Raises ValueError naming the value that does not fit."""
    parts = [_encode_part(part, values) for part in description]
    for at, part in enumerate(description):
        if isinstance(part, Length):
            size = sum(len(parts[n]) for n in span_of(description, part.span))
            parts[at] = size.to_bytes(part.width, part.order)
    for at, part in enumerate(description):
        if isinstance(part, Checksum):
            covered = b"".join(parts[n] for n in span_of(description, part.span))
            parts[at] = _sum(part.sum, covered).to_bytes(part.width, part.order)
    return b"".join(parts)


def decode(description: Frame, data: bytes) -> tuple[int, dict[str, Value]] | None:
    """Size and values of the frame at the start of ``data``; size 0: more bytes are needed; None: it is none."""
    edges = [0]
    values: dict[str, Value] = {}
    for at, part in enumerate(description):
        start = edges[-1]
        size = _size(description, at, data, edges)
        if size < 0:
            return None
        if isinstance(part, Constant) and not part.octets.startswith(data[start : start + size]):
            return None
        if len(data) < start + size or (size == 0 and _is_open(description, at, data, start)):
            return (0, {}) if len(data) < LONGEST else None
        octets = data[start : start + size]
        edges.append(start + size)
        if isinstance(part, Number | Text):
            value = _decode_part(part, octets)
            if value is None:
                return None
            values[part.value] = value
    return (edges[-1], values) if _adds_up(description, data, edges) else None


class LineTemplateCodec:
    """The receiving side: ``frames`` by the names that ``Received`` has for them."""

    def __init__(self, frames: Mapping[str, Frame]) -> None:
        self._frames = {name: description for name, description in frames.items() if description}
        self._buffer = FrameBuffer(self._find, LONGEST)

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> Received | None:
        data = self._buffer.next()
        return None if data is None else self._whole(data)

    def reset(self) -> None:
        self._buffer.reset()

    def _find(self, pending: bytes) -> Found:
        found = [decode(description, pending) for description in self._frames.values()]
        sizes = [known[0] for known in found if known is not None]
        if size := max(sizes, default=0):
            return frame(size)
        return NEED_MORE if sizes else skip(1)

    def _whole(self, data: bytes) -> Received | None:
        for name, description in self._frames.items():
            known = decode(description, data)
            if known is not None and known[0] == len(data):
                return Received(name, known[1])
        return None


def _encode_part(part: Part, values: Mapping[str, Value]) -> bytes:
    if isinstance(part, Constant):
        return part.octets
    if isinstance(part, Text):
        return _encode_text(part, str(values[part.value]))
    if isinstance(part, Number):
        return _encode_number(part, values[part.value])
    return bytes(part.width)  # length and sum come when the rest is known


def _encode_number(part: Number, value: Value) -> bytes:
    if not isinstance(value, int) or not 0 <= value <= part.largest:
        raise ValueError(f"{part.value}: expected a number from 0 to {part.largest}, got {value!r}")
    if part.kind == "binary":
        return value.to_bytes(part.width, part.order)
    if part.kind == "ascii":
        return _ordered(f"{value:0{part.width}d}".encode("ascii"), part.order)
    return _ordered(bytes.fromhex(f"{value:0{2 * part.width}d}"), part.order)


def _encode_text(part: Text, value: str) -> bytes:
    limit = part.width or part.longest
    plain = "".join(character if character.isprintable() else " " for character in value)
    data = plain.encode(part.charset, "replace")[:limit].decode(part.charset, "ignore").encode(part.charset)
    return data.ljust(part.width)


def _decode_part(part: Number | Text, octets: bytes) -> Value | None:
    if isinstance(part, Text):
        try:
            text = octets.decode(part.charset)
        except UnicodeDecodeError:
            return None
        if not all(character.isprintable() for character in text):
            return None
        return text.rstrip(" ") if part.width else text
    if part.kind == "binary":
        return int.from_bytes(octets, part.order)
    digits = _ordered(octets, part.order)
    written = digits.hex() if part.kind == "bcd" else digits.decode("latin-1")
    return int(written) if written.isascii() and written.isdigit() else None


def _size(description: Frame, at: int, data: bytes, edges: Sequence[int]) -> int:
    """Bytes of the field at ``at``; -1 when it cannot be one."""
    part = description[at]
    if not isinstance(part, Text) or part.width:
        return part_size(part)
    start = edges[-1]
    if (length := length_before(description, at)) is not None:
        where = next(n for n, other in enumerate(description) if other is length)
        told = int.from_bytes(data[edges[where] : edges[where + 1]], length.order)
        rest = sum(part_size(description[n]) for n in span_of(description, length.span))
        return told - rest if 0 <= told - rest <= part.longest else -1
    end = data.find((terminator_behind(description, at) or b"")[:1], start)
    size = (len(data) if end < 0 else end) - start
    if size > part.longest:
        return -1
    return size if end >= 0 else 0


def _is_open(description: Frame, at: int, data: bytes, start: int) -> bool:
    """Whether the text at ``at`` has no end yet."""
    if length_before(description, at) is not None:
        return False
    terminator = terminator_behind(description, at)
    part = description[at]
    free = isinstance(part, Text) and part.width == 0
    return free and terminator is not None and data.find(terminator[:1], start) < 0


def _adds_up(description: Frame, data: bytes, edges: Sequence[int]) -> bool:
    for at, part in enumerate(description):
        if not isinstance(part, Length | Checksum):
            continue
        span = span_of(description, part.span)
        covered = data[edges[span.start] : edges[span.stop]]
        told = int.from_bytes(data[edges[at] : edges[at + 1]], part.order)
        if told != (len(covered) if isinstance(part, Length) else _sum(part.sum, covered)):
            return False
    return True


def _sum(kind: str, data: bytes) -> int:
    if kind == "sum8_negative":
        return -checksums.sum8(data) & 0xFF
    value: int = getattr(checksums, kind)(data)
    return value


def _ordered(digits: bytes, order: Order) -> bytes:
    return digits if order == "big" else digits[::-1]
