"""Sends the outbox: in order, from the last acknowledgement on, with few messages in flight.

The broker's confirmation frees nothing: only the cloud's ``ack`` does. After a new link or a new cloud everything that
is not acknowledged is sent again; the cloud ignores what it has.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from edge_agent.ports import Clock, Link, Outbox, Row
from edge_agent.uplink.packing import pack

READ_ROWS = 256
IN_FLIGHT = 20
WINDOW_ROWS = 2000  # sent and not acknowledged by the cloud: a cloud that is away must not fill the broker
LATE = timedelta(seconds=10)  # older than this when the link came up: history, not news
NUDGE_S = 60.0


class Sender:
    """One link's sender."""

    def __init__(self, link: Link, outbox: Outbox, machine: str, clock: Clock) -> None:
        self._link = link
        self._outbox = outbox
        self._machine = machine
        self._clock = clock
        self._live_since = clock.now() - LATE
        self._cursor = 0
        self._acked = 0
        self._acked_more = asyncio.Event()
        self._rewound = asyncio.Event()
        self._in_flight: deque[asyncio.Future[None]] = deque()
        self._turn = asyncio.Lock()

    async def rewind(self) -> None:
        """Begin again after the last acknowledgement: the link, or the cloud, is new."""
        self._acked = await self._outbox.acknowledged()
        self._cursor = self._acked
        self._live_since = self._clock.now() - LATE
        self._acked_more.set()
        self._rewound.set()

    def acknowledged(self, sequence: int) -> None:
        """The cloud has everything up to here."""
        self._acked = max(self._acked, sequence)
        self._cursor = max(self._cursor, self._acked)
        self._acked_more.set()

    async def replay(self, first: int, last: int) -> None:
        """Send ``first`` to ``last`` again, or the facts that say why they will never come."""
        async with self._turn:
            rows = [row for row in await self._outbox.peek(first - 1, last - first + 1) if row.sequence <= last]
            held = {row.sequence for row in rows}
            if any(sequence not in held for sequence in range(max(first, self._acked + 1), last + 1)):
                rows = [*await self._outbox.dropped(first, last), *rows]
            await self._send(rows)

    async def run(self) -> None:
        """Send what is there and what comes. Raises LinkLost, PublishRefused."""
        while True:
            await self._wait_for_window()
            await self._wait_for_rows()
            async with self._turn:
                rows = await self._outbox.peek(self._cursor, READ_ROWS)
                await self._send([*await self._gaps(rows), *rows])
                if rows:
                    self._cursor = max(self._cursor, rows[-1].sequence)

    async def watch(self) -> None:
        """When acknowledgements stay away, send the oldest row again: a cloud that has it answers with where it is."""
        while True:
            before = self._acked
            await self._clock.sleep(NUDGE_S)
            if before == self._acked < self._cursor:
                async with self._turn:
                    await self._send(await self._outbox.peek(self._acked, 1))

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

    async def _wait_for_window(self) -> None:
        while self._cursor - self._acked >= WINDOW_ROWS:
            self._acked_more.clear()
            await self._acked_more.wait()

    async def _gaps(self, rows: Sequence[Row]) -> list[Row]:
        """Facts that explain the holes before and between ``rows``: the cloud need not wait for what never comes."""
        if not rows or rows[-1].sequence - self._cursor == len(rows):
            return []
        return await self._outbox.dropped(self._cursor + 1, rows[-1].sequence)

    async def _send(self, rows: Sequence[Row]) -> None:
        for packet in pack(rows, self._machine, self._outbox.epoch, self._live_since):
            while len(self._in_flight) >= IN_FLIGHT:
                await self._in_flight.popleft()
            self._in_flight.append(await self._link.publish(packet.topic, packet.payload))
        while self._in_flight and self._in_flight[0].done():
            await self._in_flight.popleft()
