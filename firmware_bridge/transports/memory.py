"""A simulated device in the same process, on a clock that jumps instead of waiting.

For tests and for developers without hardware: no task, no thread, no real time. ``VirtualClock.at`` plans what a person
does while a driver waits::

    clock = VirtualClock()
    transport = MemoryTransport(peer, clock)
    clock.at(2.0, lambda: peer.buttons["insert_card"]("p001"))
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from types import TracebackType
from typing import Protocol

from firmware_bridge.errors import TransportLost

STEP_S = 0.01  # how often a peer's own timers are looked at while a read waits


class Peer(Protocol):
    """A simulated device, sans-IO. Both answer ``(send_at, bytes)`` pairs, times in seconds on the caller's clock."""

    def receive(self, data: bytes, now: float) -> list[tuple[float, bytes]]:
        """Bytes from the host."""

    def advance(self, now: float) -> list[tuple[float, bytes]]:
        """What the device says by itself, up to ``now``."""


class VirtualClock:
    """A Clock whose time moves only when somebody waits on it; each wait lets other tasks run once."""

    def __init__(self) -> None:
        self._now = 0.0
        self._plans: list[tuple[float, int, Callable[[], object]]] = []
        self._scopes: list[_Scope] = []
        self._order = itertools.count()

    def monotonic(self) -> float:
        return self._now

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Call ``action`` when the clock reaches ``when``."""
        heapq.heappush(self._plans, (when, next(self._order), action))

    async def sleep(self, seconds: float) -> None:
        await self.until(self._now + seconds)

    async def until(self, when: float) -> None:
        """Move to ``when``, doing what is planned on the way; stops at the nearest ``timeout``."""
        await asyncio.sleep(0)
        scope = min(self._scopes, key=lambda scope: scope.deadline, default=None)
        limit = math.inf if scope is None else scope.deadline
        self._run_plans(min(when, limit))
        self._now = max(self._now, min(when, limit))
        if scope is not None and self._now >= limit:
            raise _Expired(scope)

    def timeout(self, seconds: float) -> "_Scope":
        return _Scope(self._scopes, self._now + seconds)

    def _run_plans(self, until: float) -> None:
        while self._plans and self._plans[0][0] <= until:
            when, _, action = heapq.heappop(self._plans)
            self._now = max(self._now, when)
            action()


class _Expired(BaseException):
    """Travels from the wait to the scope whose deadline it was, past any ``except Exception``, as cancellation does."""

    def __init__(self, scope: "_Scope") -> None:
        self.scope = scope


class _Scope:
    def __init__(self, scopes: "list[_Scope]", deadline: float) -> None:
        self._scopes = scopes
        self.deadline = deadline

    async def __aenter__(self) -> "_Scope":
        self._scopes.append(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scopes.remove(self)
        if isinstance(error, _Expired) and error.scope is self:
            raise TimeoutError from error


class MemoryTransport:
    """Carries bytes between a driver and a simulated peer. ``unplug`` and ``plug`` pull and push the cable."""

    def __init__(self, peer: Peer, clock: VirtualClock) -> None:
        self.turn = asyncio.Lock()
        self._peer = peer
        self._clock = clock
        self._arriving: list[tuple[float, int, bytes]] = []
        self._order = itertools.count()
        self._open = False
        self._plugged = True

    async def open(self) -> None:
        self._open = True
        self._check()

    async def write(self, data: bytes) -> None:
        self._check()
        now = self._clock.monotonic()
        self._queue(self._peer.advance(now))
        self._queue(self._peer.receive(data, now))

    async def read(self) -> bytes:
        while True:
            self._check()
            if data := self._take():
                return data
            now = self._clock.monotonic()
            await self._clock.until(min([now + STEP_S, *(when for when, _, _ in self._arriving[:1])]))

    def discard_input(self) -> int:
        self._check()
        return len(self._take())

    async def close(self) -> None:
        self._open = False

    def unplug(self) -> None:
        """Pull the cable: what was on its way is lost."""
        self._plugged = False
        self._arriving.clear()

    def plug(self) -> None:
        """Push it in again; the driver's side has to open anew."""
        self._plugged = True
        self._open = False

    def _take(self) -> bytes:
        now = self._clock.monotonic()
        self._queue(self._peer.advance(now))
        taken = bytearray()
        while self._arriving and self._arriving[0][0] <= now:
            taken += heapq.heappop(self._arriving)[2]
        return bytes(taken)

    def _queue(self, output: list[tuple[float, bytes]]) -> None:
        for when, data in output:
            heapq.heappush(self._arriving, (when, next(self._order), data))

    def _check(self) -> None:
        if not self._plugged:
            self._open = False
            raise TransportLost("memory: the simulated device is unplugged")
        if not self._open:
            raise TransportLost("memory: the line is not open; call open() first")
