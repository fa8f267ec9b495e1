"""Types of what stands on a command line: they say what was expected and what came."""

import argparse
import math
from collections.abc import Callable

from device_profiles.errors import MessageError
from device_profiles.messages.topics import check_machine_id


def positive(text: str) -> float:
    """A finite number above 0. Raises ArgumentTypeError."""
    return _number(text, "a number above 0", lambda value: value > 0)


def at_least_zero(text: str) -> float:
    """A finite number from 0 on. Raises ArgumentTypeError."""
    return _number(text, "a number from 0 on", lambda value: value >= 0)


def machine_id(text: str) -> str:
    """The id of a machine. Raises ArgumentTypeError."""
    try:
        return check_machine_id(text)
    except MessageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str, expected: str, fits: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and fits(value)):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text[:40]!r}")
    return value
