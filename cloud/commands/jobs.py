"""Sends commands to machines, sends them again when a machine comes back, and settles what ran out of time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import sqlalchemy as sa

from cloud.commands import store
from cloud.commands.service import ISSUED, CommandService, body_of
from cloud.core.clock import Clock, to_ms
from cloud.core.facts import Fact
from cloud.storage.unit_of_work import Database, Tx
from device_profiles.messages.topics import Down, Topic

LONGEST_NAP_S = 60.0

# publish(topic, payload, expiry_s, key)
Publish = Callable[[str, bytes, int, str], None]


class Presence(Protocol):
    """Who is there."""

    def __call__(self, connection: sa.Connection) -> frozenset[str]:
        """The machines that are online."""
        ...


class CommandPublisher:
    """The outbox is the table: what this process forgets when it ends is found there when it starts again."""

    def __init__(self, service: CommandService, db: Database, online: Presence, publish: Publish, clock: Clock) -> None:
        self._service = service
        self._db = db
        self._online = online
        self._publish = publish
        self._clock = clock
        self._again: set[str] = set()
        self._wake = asyncio.Event()

    def heard(self, facts: Sequence[Fact]) -> None:
        """After-commit listener: a new command, or a machine that announced itself."""
        for fact in facts:
            if fact.type == "machine.announced" and fact.data.get("state") == "online":
                self._again.add(fact.machine)
                self._wake.set()
            elif fact.type == ISSUED:
                self._wake.set()

    async def run(self) -> None:
        """Send and settle, until cancelled. Begins with everything that was under way when the last process ended."""
        self._again |= await self._db.read(self._online)
        while True:
            self._wake.clear()
            await self._step()
            try:
                async with asyncio.timeout(await self._nap()):
                    await self._wake.wait()
            except TimeoutError:
                continue  # somebody's time is over

    async def _step(self) -> None:
        again, self._again = frozenset(self._again), set()
        for row in await self._db.write(lambda tx: self._claim(tx, again)):
            topic = str(Topic(row.machine, Down.COMMAND, row.slot))
            left_ms = row.start_by_ms - to_ms(self._clock.now())
            self._publish(topic, body_of(row).to_bytes(), max(1, -(-left_ms // 1000)), f"command/{row.id}")

    def _claim(self, tx: Tx, again: frozenset[str]) -> list[store.Row]:
        self._service.expire(tx)
        return self._service.claim(tx, self._online(tx.conn), again)

    async def _nap(self) -> float:
        deadline_ms = await self._db.read(store.next_deadline)
        if deadline_ms is None:
            return LONGEST_NAP_S
        return min(LONGEST_NAP_S, max(0.0, (deadline_ms - to_ms(self._clock.now())) / 1000 + 0.001))
