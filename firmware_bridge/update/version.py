"""Firmware versions: ``major.minor.revision+build``, ordered; the sizes are those of the MCUboot image header."""

import re
from dataclasses import dataclass

from firmware_bridge.update.errors import FirmwareRefused

# MCUboot tells its build number behind a dot, imgtool takes it behind a plus.
_TEXT = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.(\d{1,5}))?(?:[+.](\d{1,10}))?", re.ASCII)
_LIMITS = (0xFF, 0xFF, 0xFFFF, 0xFFFF_FFFF)


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Two versions compare by all four numbers."""

    major: int
    minor: int
    revision: int = 0
    build: int = 0

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}+{self.build}" if self.build else text


def parse_version(text: str) -> Version:
    """``1.2``, ``1.2.3``, ``1.2.3+4`` or ``1.2.3.4``, with or without a ``v``. Raises FirmwareRefused."""
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise FirmwareRefused("version", f"expected a version such as 1.2.3+4, got {text[:40]!r}")
    numbers = [int(part or 0) for part in match.groups()]
    if any(number > limit for number, limit in zip(numbers, _LIMITS, strict=True)):
        raise FirmwareRefused("version", f"expected numbers up to {'.'.join(map(str, _LIMITS))}, got {text[:40]!r}")
    return Version(*numbers)
