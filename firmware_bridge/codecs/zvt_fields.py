"""The fields of ZVT commands: one byte names a field, its length is fixed or stands in front of its value.

Source: bitmaps of the ECR interface ZVT as listed by ecrterm and the crate zvt. LL and LLL are two and three length
bytes F0..F9 with one decimal digit each; 06 is a TLV container. Numbers are BCD, two digits a byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_LL, _LLL, _TLV = -2, -3, -1
_LENGTHS: Mapping[int, int] = MappingProxyType(
    {
        **{0x01: 1, 0x02: 1, 0x03: 1, 0x04: 6, 0x05: 1, 0x06: _TLV, 0x0B: 3, 0x0C: 3, 0x0D: 2, 0x0E: 2},
        **{0x17: 2, 0x19: 1, 0x22: _LL, 0x23: _LL, 0x24: _LLL, 0x27: 1, 0x29: 4, 0x2A: 15, 0x2D: _LL, 0x2E: _LLL},
        **{0x37: 3, 0x3A: 2, 0x3B: 8, 0x3C: _LLL, 0x3D: 3, 0x49: 2, 0x60: _LLL, 0x87: 2, 0x88: 3, 0x8A: 1},
        **{0x8B: _LL, 0x8C: 1, 0x9A: _LLL, 0xA0: 1, 0xA7: _LL, 0xAA: 3, 0xAF: _LLL, 0xBA: 5, 0xD0: 1, 0xD1: _LL},
    }
)
_AMOUNT, _TRACE, _TIME, _DATE, _CARD, _RESULT, _TERMINAL = 0x04, 0x0B, 0x0C, 0x0D, 0x22, 0x27, 0x29
_CURRENCY, _RECEIPT = 0x49, 0x87
_SHOWN_DIGITS, _FULL_CARD = 4, 12


@dataclass(frozen=True, slots=True)
class Fields:
    """What a terminal tells of a payment. The number of the card is masked here, whatever the terminal has sent."""

    result: int | None = None
    amount: int | None = None
    currency: int | None = None
    receipt: str = ""
    trace: str = ""
    card: str = ""
    terminal: str = ""
    made_at: str = ""

    @property
    def name(self) -> str:
        """What tells one payment of a terminal from another; receipt numbers begin anew after 9999."""
        return f"{self.receipt}/{self.trace}/{self.made_at}"


def bcd(number: int, size: int) -> bytes:
    """``number`` in ``size`` bytes, two decimal digits each. Raises ValueError when it does not fit."""
    digits = f"{number:0{2 * size}d}"
    if number < 0 or len(digits) > 2 * size:
        raise ValueError(f"expected a number of at most {2 * size} digits, got {len(digits)}")
    return bytes.fromhex(digits)


def amount_fields(minor: int, currency: int) -> bytes:
    """Amount in minor units and ISO 4217 currency."""
    return bytes((_AMOUNT,)) + bcd(minor, 6) + bytes((_CURRENCY,)) + bcd(currency, 2)


def receipt_field(receipt: int) -> bytes:
    """The number of a receipt, up to 9999."""
    return bytes((_RECEIPT,)) + bcd(receipt, 2)


def parse_fields(data: bytes) -> Fields:
    """The fields of a status information or completion; what comes behind an unknown field is left out."""
    raw = _split(data)
    return Fields(
        result=raw[_RESULT][0] if _RESULT in raw else None,
        amount=_number(raw.get(_AMOUNT)),
        currency=_number(raw.get(_CURRENCY)),
        receipt=_digits(raw.get(_RECEIPT, b"")),
        trace=_digits(raw.get(_TRACE, b"")),
        card=_masked(raw.get(_CARD, b"")),
        terminal=_digits(raw.get(_TERMINAL, b"")),
        made_at=_made_at(_digits(raw.get(_DATE, b"")), _digits(raw.get(_TIME, b""))),
    )


def parse_state(data: bytes) -> tuple[str, int | None]:
    """Software version and state from the completion of a status enquiry: ``[LLL version] state``.

    Whether the version stands there depends on the enquiry; a state never looks like its length.
    """
    length = _variable(data, 3)
    if length is None:
        return "", data[0] if data else None
    end = 3 + length
    return data[3:end].decode("ascii", "replace").strip(), data[end] if len(data) > end else None


def _split(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data) and (size := _LENGTHS.get(data[at])) is not None:
        name, start, length = data[at], at + 1, size
        if size == _TLV:
            start, length = _tlv(data, start)
        elif size < 0:
            variable = _variable(data[start:], -size)
            start, length = start - size, -1 if variable is None else variable
        if length < 0 or start + length > len(data):
            break
        found[name] = data[start : start + length]
        at = start + length
    return found


def _variable(data: bytes, count: int) -> int | None:
    """The length in ``count`` bytes F0..F9, or None."""
    digits = data[:count]
    if len(digits) < count or any(byte >> 4 != 0xF or byte & 0x0F > 9 for byte in digits):
        return None
    return int("".join(str(byte & 0x0F) for byte in digits))


def _tlv(data: bytes, at: int) -> tuple[int, int]:
    """Where the container's content starts and how long it is (negative: cut off): one byte, or 81 n, or 82 nn."""
    first = data[at] if at < len(data) else 0x83
    extra = {0x81: 1, 0x82: 2}.get(first, 0)
    if first < 0x80:
        return at + 1, first
    if not extra or at + 1 + extra > len(data):
        return at, -1
    return at + 1 + extra, int.from_bytes(data[at + 1 : at + 1 + extra], "big")


def _digits(data: bytes) -> str:
    return data.hex() if data.hex().isdecimal() else ""


def _number(data: bytes | None) -> int | None:
    return int(data.hex()) if data and data.hex().isdecimal() else None


def _masked(data: bytes) -> str:
    """At most the last four digits. E is a digit that the terminal has masked itself, F fills up the last byte."""
    digits = data.hex().rstrip("f").translate(str.maketrans("abcdef", "******"))
    if not digits:
        return ""
    return "****" + (digits[-_SHOWN_DIGITS:] if len(digits) >= _FULL_CARD else "")


def _made_at(date: str, time: str) -> str:
    """``MM-DD hh:mm:ss`` by the terminal's clock."""
    return f"{date[:2]}-{date[2:]} {time[:2]}:{time[2:4]}:{time[4:]}" if date and time else ""
