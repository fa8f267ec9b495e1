"""Sends the outbox: what is new at once, a backlog behind it at a bounded pace, with few messages in flight.

The broker's confirmation frees nothing: only the cloud's ``ack`` does. After a new link or a new cloud everything that
is not acknowledged is sent again; the cloud ignores what it has.

After an outage the outbox is cut in two at the last late sequence, the border. What stands above it goes first and in
order; what stands below follows in order, marked as historical. Sequences and the acknowledgement stay what they are:
the cloud keeps the ranges ahead of a gap, and acknowledges them as soon as the backlog has closed it. A backlog so
short that it fits into one reading is not worth a second lane: then everything goes in order.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from edge_agent.ports import Clock, Link, Outbox, Row
from edge_agent.uplink.packing import pack

READ_ROWS = 256
IN_FLIGHT = 20
WINDOW_ROWS = 2000  # sent and not acknowledged by the cloud: a cloud that is away must not fill the broker
LATE = timedelta(seconds=10)  # older than this when the link came up: history, not news
NUDGE_S = 60.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a backlog is told: rows per second, after a start of at most ``start_s``; both drawn anew each time.

    A hall's machines get their link back together: they must not all speak at once, nor all as fast as they can.
    """

    rows_per_s: float = 5000.0
    start_s: float = 1.0
    draw: Callable[[], float] = random.random

    def pause_s(self, rows: int) -> float:
        """How long to wait after ``rows`` were sent."""
        return rows / self.rows_per_s * (0.5 + self.draw())


class Sender:
    """One link's sender: ``run`` sends what is new, ``catch_up`` the backlog."""

    def __init__(self, link: Link, outbox: Outbox, machine: str, clock: Clock, pace: Pace) -> None:
        self._link = link
        self._outbox = outbox
        self._machine = machine
        self._clock = clock
        self._pace = pace
        self._acked = 0
        self._late_up_to = 0
        self._cursor = 0  # sent up to here, from the border on
        self._border = 0
        self._old = 0  # sent up to here, up to the border
        self._asked = 0  # where the last replay began
        self._nudged = 0
        self._acked_more = asyncio.Event()
        self._rewound = asyncio.Event()
        self._behind = asyncio.Event()
        self._in_flight: deque[asyncio.Future[None]] = deque()
        self._turn = asyncio.Lock()

    @property
    def has_sent(self) -> bool:
        """Whether anything was sent that is not acknowledged."""
        return self._acked < max(self._old, self._cursor if self._cursor > self._border else 0)

    async def rewind(self) -> None:
        """Begin again after the last acknowledgement: the link, or the cloud, is new."""
        now = self._clock.now()
        self._acked = self._old = await self._outbox.acknowledged()
        self._late_up_to = await self._outbox.late_up_to(now - LATE, now + LATE)
        has_backlog = self._late_up_to - self._acked > READ_ROWS
        self._border = self._cursor = self._late_up_to if has_backlog else self._acked
        self._acked_more.set()
        self._rewound.set()
        if has_backlog:
            self._behind.set()

    def acknowledged(self, sequence: int) -> None:
        """The cloud has everything up to here."""
        self._acked = max(self._acked, sequence)
        self._cursor = max(self._cursor, self._acked)
        self._old = max(self._old, self._acked)
        self._acked_more.set()
        if sequence == self._nudged and sequence < self._sent_up_to():
            self._go_back(sequence)  # the cloud is there, and what was sent behind this row never came

    async def replay(self, first: int, last: int) -> None:
        """Send ``first`` to ``last`` again, or the facts that say why they will never come.

        Not more than WINDOW_ROWS at once: the cloud asks again for what is still missing then.
        """
        async with self._turn:
            again, self._asked = first == self._asked, first
            if self._old < min(last, self._border):
                if again:
                    self._go_back(max(self._acked, first - 1))
                return  # the backlog is on its way
            if first <= self._acked and again:
                # The cloud misses what it acknowledged once: it has gone back to an older state. Only when it insists:
                # the first asking may have crossed an acknowledgement on the way.
                await self._send([await self._outbox.freed(self._clock.now())], self._late_up_to)
            first, last = max(first, self._acked + 1), min(last, max(first, self._acked + 1) + WINDOW_ROWS - 1)
            if first <= last:
                await self._send_again(first, last)

    async def run(self) -> None:
        """Send what is new: all of it when there is no backlog. Raises LinkLost, PublishRefused."""
        while True:
            await self._wait_for_window(lambda: self._cursor - max(self._border, self._acked))
            await self._wait_for_rows()
            async with self._turn:
                rows = await self._outbox.peek(self._cursor, READ_ROWS)
                await self._send([*await self._gaps(self._cursor, rows), *rows], self._late_up_to)
                if rows:
                    self._cursor = max(self._cursor, rows[-1].sequence)

    async def catch_up(self) -> None:
        """Send backlogs, each in order and at the pace. Raises LinkLost, PublishRefused."""
        while True:
            await self._behind.wait()
            self._behind.clear()
            await self._clock.sleep(self._pace.start_s * self._pace.draw())
            while self._old < self._border:
                await self._wait_for_window(lambda: self._old - self._acked)
                async with self._turn:
                    sent = await self._send_old()
                await self._clock.sleep(self._pace.pause_s(sent))

    async def watch(self) -> None:
        """When acknowledgements stay away, send the oldest row again: a cloud that has it answers with where it is."""
        while True:
            before = self._acked
            await self._clock.sleep(NUDGE_S)
            if before == self._acked < self._sent_up_to():
                async with self._turn:
                    oldest = await self._outbox.peek(self._acked, 1)
                    self._nudged = oldest[0].sequence if oldest else 0
                    await self._send(oldest, self._late_up_to)

    async def _send_old(self) -> int:
        rows = [row for row in await self._outbox.peek(self._old, READ_ROWS) if row.sequence <= self._border]
        await self._send([*await self._gaps(self._old, rows), *rows], self._late_up_to)
        self._old = max(self._old, rows[-1].sequence if rows else self._border)
        return len(rows)

    async def _send_again(self, first: int, last: int) -> None:
        rows = [row for row in await self._outbox.peek(first - 1, last - first + 1) if row.sequence <= last]
        if len(rows) < last - first + 1:
            rows = [*await self._outbox.dropped(first, last), *rows]
        await self._send(rows, max(last, self._late_up_to))  # later ones have been there before them

    def _sent_up_to(self) -> int:
        return self._old if self._old < self._border else self._cursor

    def _go_back(self, sequence: int) -> None:
        """Send what follows ``sequence`` once more."""
        self._old = min(self._old, sequence)
        if sequence < self._border:
            self._behind.set()
        else:
            self._cursor = min(self._cursor, sequence)
        self._rewound.set()
        self._acked_more.set()

    async def _wait_for_rows(self) -> None:
        """Until there is something after the cursor; a rewind moves it back under our feet."""
        self._rewound.clear()
        waits = [asyncio.ensure_future(wait) for wait in (self._outbox.wait_beyond(self._cursor), self._rewound.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _wait_for_window(self, unacknowledged: Callable[[], int]) -> None:
        while unacknowledged() >= WINDOW_ROWS:
            self._acked_more.clear()
            await self._acked_more.wait()

    async def _gaps(self, after: int, rows: Sequence[Row]) -> list[Row]:
        """Facts that explain the holes before and between ``rows``: the cloud need not wait for what never comes."""
        if not rows or rows[-1].sequence - after == len(rows):
            return []
        return await self._outbox.dropped(after + 1, rows[-1].sequence)

    async def _send(self, rows: Sequence[Row], late_up_to: int) -> None:
        for packet in pack(rows, self._machine, self._outbox.epoch, late_up_to):
            while len(self._in_flight) >= IN_FLIGHT:
                await self._in_flight.popleft()
            self._in_flight.append(await self._link.publish(packet.topic, packet.payload))
        while self._in_flight and self._in_flight[0].done():
            await self._in_flight.popleft()
