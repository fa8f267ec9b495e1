"""The time that links and drivers live in. Passed in, so that a test or a developer can run without waiting."""

import asyncio
import math
import time
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol


class Clock(Protocol):
    """Monotonic time in seconds."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; cancellable."""

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        """``async with clock.timeout(s):`` raises TimeoutError when the block takes longer than ``seconds``."""


class _Alarm:
    """One timer of an event loop for many deadlines: nearly all of them are met, and a timer each would cost more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._set: set[_Deadline] = set()
        self._rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def add(self, deadline: "_Deadline") -> None:
        self._set.add(deadline)
        if deadline.at < self._rings_at:
            self._set_timer(deadline.at)

    def remove(self, deadline: "_Deadline") -> None:
        """The timer stays: it rings for nothing at most once."""
        self._set.discard(deadline)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = at
        self._timer = self.loop.call_at(at, self._ring)

    def _ring(self) -> None:
        now = max(self.loop.time(), self._rings_at)  # the loop may ring a little early
        self._timer, self._rings_at = None, math.inf
        for deadline in [deadline for deadline in self._set if deadline.at <= now]:
            self._set.discard(deadline)
            deadline.expire()
        if self._set:
            self._set_timer(min(deadline.at for deadline in self._set))


class _Deadline:
    """As ``asyncio.timeout``: cancels the task, and turns that cancellation, nobody else's, into TimeoutError."""

    __slots__ = ("_alarm", "_cancelling", "_expired", "_seconds", "_task", "at")

    def __init__(self, alarm: _Alarm, seconds: float) -> None:
        self._alarm = alarm
        self._seconds = seconds
        self._expired = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task(self._alarm.loop)
        if task is None:
            raise RuntimeError("expected a deadline to be set inside a task")
        self._task, self._cancelling = task, task.cancelling()
        self.at = self._alarm.loop.time() + self._seconds
        self._alarm.add(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.remove(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def expire(self) -> None:
        """Time is up."""
        self._expired = True
        self._task.cancel()


class SystemClock:
    """The real one."""

    def __init__(self) -> None:
        self._alarm: _Alarm | None = None

    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def timeout(self, seconds: float) -> AbstractAsyncContextManager[Any]:
        alarm, loop = self._alarm, asyncio.get_running_loop()
        if alarm is None or alarm.loop is not loop:  # the first of this loop
            self._alarm = alarm = _Alarm(loop)
        return _Deadline(alarm, seconds)
