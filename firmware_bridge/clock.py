"""The time that links and drivers live in. Passed in, so that a test or a developer can run without waiting."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class Clock(Protocol):
    """Monotonic time in seconds."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """``async with clock.timeout(s):`` raises TimeoutError when the block takes longer than ``seconds``."""


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        return asyncio.timeout(seconds)
