"""The request and reply engine between a driver and a line.

One exchange at a time. A single question is ``await link.request(...)``. A protocol whose exchange has several steps
(the device sends ACK, then its reply, and wants an ACK back) takes the line for all of them::

    async with link.exchange() as line:
        await line.request(frame, effect=Effect.ONCE, accept=is_ack)      # write, wait for the first answer
        reply = await line.reply(effect=Effect.ONCE, accept=is_positive)  # the next answer, nothing written
        await line.send(ACK)

The rules, the same for every protocol:

* READ and IDEMPOTENT requests are tried up to ``attempts`` times, then LinkTimeout. A ONCE request is written once;
  no answer, or a line lost after the first byte, is OutcomeUnknown.
* Before each try the input is discarded. A reply that ``accept`` refuses is stale: it is counted, handed to
  ``on_unsolicited``, and the wait goes on.
* An exchange that ended without its answer (time-out, cancellation) still owes one: the next exchange first waits a
  short while for that answer and drops it, since most of these protocols have no request numbers.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from device_profiles.capabilities.model import Effect
from firmware_bridge.clock import Clock
from firmware_bridge.errors import LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.transports import Transport

Reply = TypeVar("Reply")
ReplyOut = TypeVar("ReplyOut", covariant=True)

ROUND_TRIPS = 256  # that the quantiles of the round-trip time look back on
LATE_REPLY_S = 0.1  # how long after a time-out a late answer is waited for before the next try


class Codec(Protocol[ReplyOut]):
    """A protocol's receiving side, sans-IO; never raises on any input. ``discarded`` counts bytes of no frame."""

    @property
    def discarded(self) -> int: ...

    def feed(self, data: bytes) -> None: ...

    def next_reply(self) -> ReplyOut | None:
        """The next whole reply, or None when more bytes are needed."""

    def reset(self) -> None:
        """Forget a half-received frame and replies not taken (counted as discarded where bytes are at hand)."""


@dataclass(slots=True)
class LinkCounters:
    """What a link has been through since it was made, and how long its last ``ROUND_TRIPS`` answers took."""

    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    stale: int = 0
    unsolicited: int = 0
    discarded_bytes: int = 0
    round_trips_s: deque[float] = field(default_factory=lambda: deque(maxlen=ROUND_TRIPS))

    def as_metrics(self) -> dict[str, float]:
        """Telemetry names and values; the names are stable (docs/line.md). ``rtt_ms_*`` only when something answered.

        The quantiles are worked out here, once per sample, and not with every answer.
        """
        metrics = {name: float(getattr(self, name)) for name in _COUNTED}
        if self.round_trips_s:
            ordered = sorted(self.round_trips_s)
            metrics["rtt_ms_last"] = self.round_trips_s[-1] * 1000
            metrics["rtt_ms_p50"] = ordered[(len(ordered) - 1) // 2] * 1000
            metrics["rtt_ms_p99"] = ordered[(len(ordered) * 99 - 1) // 100] * 1000
        return metrics


_COUNTED = ("requests", "retries", "timeouts", "stale", "unsolicited", "discarded_bytes")


class Exchange(Generic[Reply]):
    """The steps of an exchange, for the one who holds the line (see ``Link.exchange``)."""

    def __init__(
        self,
        transport: Transport,
        codec: Codec[Reply],
        clock: Clock,
        *,
        reply_s: float,
        attempts: int,
        on_unsolicited: Callable[[Reply], None] | None,
    ) -> None:
        self._transport = transport
        self._codec = codec
        self._clock = clock
        self._reply_s = reply_s
        self._attempts = attempts
        self._on_unsolicited = on_unsolicited
        self._owed_until = 0.0  # until then a late answer to an earlier request may still come
        self._codec_discarded = codec.discarded
        self.counters = LinkCounters()

    def request(
        self, data: bytes, *, effect: Effect, accept: Callable[[Reply], bool], deadline_s: float | None = None
    ) -> Coroutine[Any, Any, Reply]:
        """Write ``data`` and return the first reply that ``accept`` takes, each try within ``deadline_s``.

        Raises LinkTimeout (READ, IDEMPOTENT) or OutcomeUnknown (ONCE), TransportLost.
        """
        return self.tries(data, effect=effect, accept=accept, deadline_s=deadline_s, turn=None)

    async def tries(
        self,
        data: bytes,
        *,
        effect: Effect,
        accept: Callable[[Reply], bool],
        deadline_s: float | None,
        turn: asyncio.Lock | None,
    ) -> Reply:
        """As ``request``; each try takes ``turn``, so that a device which stays silent does not hold up the others.

        None: the caller has it for the whole exchange.
        """
        within_s = self._reply_s if deadline_s is None else deadline_s
        self.counters.requests += 1
        tries = 1 if effect is Effect.ONCE else self._attempts
        for attempt in range(tries):
            if attempt:
                self.counters.retries += 1
            if turn is None:
                reply = await self._try(data, effect, accept, within_s)
            else:
                async with turn:
                    reply = await self._try(data, effect, accept, within_s)
            if reply is not None:
                if attempt:  # the device may answer the earlier tries as well
                    self._owe(within_s)
                return reply
        raise self._unanswered(effect, within_s, tries)

    async def reply(self, *, effect: Effect, accept: Callable[[Reply], bool], deadline_s: float | None = None) -> Reply:
        """The next reply that ``accept`` takes; nothing is written or discarded. Raises as ``request`` does."""
        within_s = self._reply_s if deadline_s is None else deadline_s
        try:
            reply = await self._accepted(accept, within_s)
        except TransportLost as lost:
            raise _lost(effect, lost) from lost
        if reply is None:
            raise self._unanswered(effect, within_s, 1)
        return reply

    async def send(self, data: bytes) -> None:
        """Write ``data``; no reply is expected."""
        await self._transport.write(data)

    async def receive(self, deadline_s: float) -> Reply | None:
        """The next reply, whatever it is, or None when none came within ``deadline_s`` (0: what is here already)."""
        reply = await self._next(deadline_s)
        if reply is not None:
            self.counters.unsolicited += 1
        return reply

    async def _try(self, data: bytes, effect: Effect, accept: Callable[[Reply], bool], within_s: float) -> Reply | None:
        if self._owed_until:
            await self._swallow_late_answer()
        self._clear_input()
        started = self._clock.monotonic()
        try:
            await self._transport.write(data)
            reply = await self._accepted(accept, within_s)
        except (TransportLost, LinkTimeout) as error:
            raise _lost(effect, error) from error
        if reply is not None:
            self.counters.round_trips_s.append(self._clock.monotonic() - started)
        return reply

    async def _accepted(self, accept: Callable[[Reply], bool], within_s: float) -> Reply | None:
        """The next reply that ``accept`` takes, or None after ``within_s``; the others count as stale."""
        codec, transport = self._codec, self._transport
        try:
            # One deadline for all of it: a flood of replies that nobody wants must not keep the request alive.
            async with self._clock.timeout(within_s):
                while True:
                    if (reply := codec.next_reply()) is None:
                        codec.feed(await transport.read())
                    elif accept(reply):
                        return reply
                    else:
                        self._refuse(reply)
        except TimeoutError:
            self.counters.timeouts += 1
            self._owe(LATE_REPLY_S)
            return None
        except asyncio.CancelledError:
            self._owe(within_s)
            raise
        finally:
            self._count_discarded()

    async def _next(self, within_s: float) -> Reply | None:
        if (reply := self._codec.next_reply()) is not None:
            return reply
        try:
            if within_s <= 0:
                return self._here_already()
            async with self._clock.timeout(within_s):
                while (reply := self._codec.next_reply()) is None:
                    self._codec.feed(await self._transport.read())
                return reply
        except TimeoutError:
            return None
        finally:
            self._count_discarded()

    def _here_already(self) -> Reply | None:
        while data := _read_at_once(self._transport):
            self._codec.feed(data)
            if (reply := self._codec.next_reply()) is not None:
                return reply
        return None

    def _clear_input(self) -> None:
        while (left := self._codec.next_reply()) is not None:
            self._refuse(left)
        self.counters.discarded_bytes += self._transport.discard_input()
        self._codec.reset()
        self._count_discarded()

    async def _swallow_late_answer(self) -> None:
        patience_s = self._owed_until - self._clock.monotonic()
        if patience_s > 0 and (late := await self._next(patience_s)) is not None:
            self._refuse(late)
        self._owed_until = 0.0

    def _refuse(self, reply: Reply) -> None:
        self.counters.stale += 1
        if self._on_unsolicited is not None:
            self._on_unsolicited(reply)

    def _owe(self, seconds: float) -> None:
        # No longer than an ordinary answer takes: a given-up print must not silence the line for its long deadline.
        self._owed_until = self._clock.monotonic() + min(seconds, self._reply_s)

    def _count_discarded(self) -> None:
        if (total := self._codec.discarded) != self._codec_discarded:
            self.counters.discarded_bytes += total - self._codec_discarded
            self._codec_discarded = total

    def _unanswered(self, effect: Effect, within_s: float, tries: int) -> LinkTimeout | OutcomeUnknown:
        told = f"expected an answer within {within_s:g} s, none came"
        if effect is Effect.ONCE:
            return OutcomeUnknown(f"{told} after the request was written: ask the device for its state, do not repeat")
        return LinkTimeout(f"{told} in {tries} tries; check the cable, the power and the speed of the line")


class _Held(Generic[Reply]):
    """The line between taking and giving back its turn; many may wait for the same one."""

    def __init__(self, turn: asyncio.Lock, line: Exchange[Reply]) -> None:
        self._turn = turn
        self._line = line

    async def __aenter__(self) -> Exchange[Reply]:
        await self._turn.acquire()
        return self._line

    async def __aexit__(self, *raised: object) -> None:
        self._turn.release()


class Link(Generic[Reply]):
    """One line shared by one driver's callers: one exchange at a time, first come, first served."""

    def __init__(
        self,
        transport: Transport,
        codec: Codec[Reply],
        clock: Clock,
        *,
        reply_s: float,
        attempts: int,
        on_unsolicited: Callable[[Reply], None] | None = None,
    ) -> None:
        self._transport = transport
        self._turn = transport.turn
        self._line = Exchange(
            transport, codec, clock, reply_s=reply_s, attempts=attempts, on_unsolicited=on_unsolicited
        )
        self._held = _Held(self._turn, self._line)

    @property
    def counters(self) -> LinkCounters:
        return self._line.counters

    def exchange(self) -> AbstractAsyncContextManager[Exchange[Reply]]:
        """The line for several steps; nobody else gets in between."""
        return self._held

    def request(
        self, data: bytes, *, effect: Effect, accept: Callable[[Reply], bool], deadline_s: float | None = None
    ) -> Coroutine[Any, Any, Reply]:
        """One question, one answer; see ``Exchange.request``. Others get their turn between two tries."""
        return self._line.tries(data, effect=effect, accept=accept, deadline_s=deadline_s, turn=self._turn)

    async def send(self, data: bytes) -> None:
        """Write ``data``; no reply is expected."""
        async with self._turn:
            await self._line.send(data)

    async def receive(self, deadline_s: float) -> Reply | None:
        """The next unsolicited reply, or None when none came within ``deadline_s``."""
        async with self._turn:
            return await self._line.receive(deadline_s)

    async def close(self) -> None:
        """Give the line back."""
        await self._transport.close()


def _read_at_once(transport: Transport) -> bytes:
    """What a read gives without a wait, or nothing; a deadline of no time would cost a timer and a cancellation."""
    reading = transport.read()
    try:
        reading.send(None)
    except StopIteration as read:
        data: bytes = read.value
        return data
    reading.close()  # it would wait
    return b""


def _lost(effect: Effect, error: TransportLost | LinkTimeout) -> TransportLost | LinkTimeout | OutcomeUnknown:
    if effect is not Effect.ONCE:
        return error
    return OutcomeUnknown(f"the line failed after the request had begun to go out: {error}")
