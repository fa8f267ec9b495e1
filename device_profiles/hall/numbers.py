"""Ticket numbers: how they are written, and how a machine takes them from the blocks leased to it.

A block is an inclusive range ``(first, last)``. Blocks are used in the order of their numbers.
"""

import re
from collections.abc import Iterable, Sequence

from device_profiles.errors import HallRuleError

Block = tuple[int, int]

LAST_NUMBER = 9999
_NUMBER = re.compile(r"([A-Z])([0-9]{3,4})", re.ASCII)


def format_number(prefix: str, number: int) -> str:
    """``A`` and 12 give ``A012``: three digits, four above 999. Raises HallRuleError outside 1 to 9999."""
    if not re.fullmatch(r"[A-Z]", prefix):
        raise HallRuleError(f"ticket prefix: expected one letter A to Z, got {prefix[:8]!r}")
    if not 1 <= number <= LAST_NUMBER:
        raise HallRuleError(f"ticket number: expected 1 to {LAST_NUMBER}, got {number}")
    return f"{prefix}{number:03d}"


def parse_number(text: str) -> tuple[str, int]:
    """``A012`` gives ``("A", 12)``. Raises HallRuleError for what ``format_number`` never writes."""
    found = _NUMBER.fullmatch(text)
    if found is None or int(found[2]) == 0 or format_number(found[1], int(found[2])) != text:
        raise HallRuleError(f"ticket number: expected a letter and digits such as A012, got {text[:12]!r}")
    return found[1], int(found[2])


def next_number(blocks: Iterable[Block], used_up_to: int) -> int | None:
    """The number after ``used_up_to`` that the blocks hold; None when they are used up."""
    for first, last in sorted(blocks):
        if last > used_up_to:
            return max(first, used_up_to + 1)
    return None


def remaining(blocks: Iterable[Block], used_up_to: int) -> int:
    """How many numbers the blocks still hold above ``used_up_to``."""
    return sum(max(0, last - max(first - 1, used_up_to)) for first, last in blocks)


def holds(blocks: Iterable[Block], number: int) -> bool:
    """Whether one of the blocks contains ``number``."""
    return any(first <= number <= last for first, last in blocks)


def next_block(leased: Sequence[Block], size: int) -> Block | None:
    """The block after all that are leased, at most ``size`` long; None when the day's numbers are used up."""
    first = max((last for _, last in leased), default=0) + 1
    last = min(first + size - 1, LAST_NUMBER)
    return (first, last) if first <= last else None
