"""Errors of this room. Every message says what was expected, what came and where."""

from collections.abc import Iterable
from difflib import get_close_matches


class ProfileError(Exception):
    """A profile file, or a reference between profiles, is wrong."""


class MessageError(Exception):
    """A topic or a message body does not follow the contract."""


class HallRuleError(Exception):
    """A step that the hall's rules do not allow, such as calling a ticket that is already done."""


class ConfigurationError(Exception):
    """A settings file or a ``HALLFLEET_*`` variable is wrong."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Words that lead from a wrong name to the right one: the nearest known name, or all of them."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(names) or 'none'}"
