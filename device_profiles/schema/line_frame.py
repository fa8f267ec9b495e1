"""One frame of a vendor's line protocol as data: its fields in their order."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Order = Literal["big", "little"]
Span = tuple[str, str]
Sum = Literal[
    "sum8", "sum8_negative", "sum16", "xor8",
    "crc16_modbus", "crc16_xmodem", "crc16_kermit", "crc16_ccitt_false", "crc16_x25",
]  # fmt: skip
SPACE = 0x20  # texts hold no byte below


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(default="", description="for spans; a field with a value has the value's name without it")

    @property
    def label(self) -> str:
        """What spans call it."""
        return self.name or str(getattr(self, "value", ""))


class Constant(_Part):
    """Bytes that are always the same."""

    kind: Literal["constant"]
    hex: str = Field(description="such as FF 68")

    @field_validator("hex")
    @classmethod
    def _octets(cls, value: str) -> str:
        try:
            known = bool(bytes.fromhex(value))
        except ValueError:
            known = False
        if not known:
            raise ValueError(f"expected hex octets such as FF 68, got {value!r}")
        return value

    @property
    def octets(self) -> bytes:
        """The bytes themselves."""
        return bytes.fromhex(self.hex)


class Number(_Part):
    """A number of fixed width: ``ascii`` and ``bcd`` in decimal with zeros in front, ``binary`` unsigned."""

    kind: Literal["ascii", "bcd", "binary"]
    value: str
    width: int = Field(ge=1, le=8, description="bytes")
    order: Order = "big"

    @property
    def largest(self) -> int:
        """The largest number that fits."""
        digits = {"ascii": self.width, "bcd": 2 * self.width}
        return int(10 ** digits[self.kind] - 1 if self.kind in digits else 256**self.width - 1)


class Text(_Part):
    """Text without control characters; ``width`` 0: as long as it is, else cut or filled with spaces to that width."""

    kind: Literal["text"]
    value: str
    charset: Literal["ascii", "gb18030", "utf-8"] = "ascii"
    width: int = Field(default=0, ge=0, le=64, description="bytes")
    longest: int = Field(default=64, ge=1, le=64, description="bytes at most, where width is 0")


class Length(_Part):
    """How many bytes the fields of ``span`` (first and last, both included) take."""

    kind: Literal["length"]
    width: int = Field(default=1, ge=1, le=2)
    order: Order = "big"
    span: Span


class Checksum(_Part):
    """A sum over the fields of ``span`` (first and last, both included)."""

    kind: Literal["checksum"]
    sum: Sum
    order: Order = "big"
    span: Span

    @property
    def width(self) -> int:
        """Bytes on the wire."""
        return 1 if self.sum in ("sum8", "sum8_negative", "xor8") else 2


Part = Annotated[Constant | Number | Text | Length | Checksum, Field(discriminator="kind")]
Frame = tuple[Part, ...]


def frame_size(frame: Sequence[Part]) -> int:
    """Bytes of the frame without a text of free length."""
    return sum(part_size(part) for part in frame)


def part_size(part: Part) -> int:
    """Bytes of the field; 0 for a text of free length."""
    return len(part.octets) if isinstance(part, Constant) else part.width


def span_of(frame: Sequence[Part], span: Span) -> range:
    """Positions of the fields in ``span``."""
    labels = [part.label for part in frame]
    return range(labels.index(span[0]), labels.index(span[1]) + 1)


def length_before(frame: Sequence[Part], at: int) -> Length | None:
    """The length field that tells where the text at ``at`` ends."""
    for part in frame[:at]:
        if isinstance(part, Length) and at in span_of(frame, part.span):
            return part
    return None


def terminator_behind(frame: Sequence[Part], at: int) -> bytes | None:
    """The constant that ends the text at ``at``: it begins with a byte that no text holds."""
    behind = frame[at + 1] if at + 1 < len(frame) else None
    if isinstance(behind, Constant) and behind.octets[0] < SPACE:
        return behind.octets
    return None
