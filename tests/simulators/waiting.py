"""Wait for something to become true, with a deadline instead of a guess."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_S = 0.01


async def eventually(look: Callable[[], T], limit_s: float = 5.0) -> T:
    """The first true value of ``look``; fails with its last value after ``limit_s``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while not (seen := look()):
        if loop.time() > deadline:
            raise AssertionError(f"after {limit_s} s still {seen!r}")
        await asyncio.sleep(LOOK_S)
    return seen
