"""A status is frozen, and mostly the same as the last one: the same words give the same object, checked once."""

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

from device_profiles.capabilities.model import Shape

Words = ParamSpec("Words")
Kept = TypeVar("Kept", bound=Shape)

_MOST = 64  # objects of one kind; values that are measured change all the time


def kept(shape: Callable[Words, Kept]) -> Callable[Words, Kept]:
    """``shape``, a class of status or output, that gives an object again instead of another one like it."""
    return cast(Callable[Words, Kept], lru_cache(maxsize=_MOST)(shape))
