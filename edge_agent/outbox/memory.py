"""An outbox in memory, with the rules of the real one: for tests and for a look at the agent without a disk."""

import asyncio
from datetime import datetime
from typing import Any

from edge_agent.errors import OutboxFull
from edge_agent.outbox.rules import (
    AGENT,
    DROP_CHUNK,
    DROPPED,
    FLOW_LIMIT,
    FREED,
    FULL,
    GIVE_UP_CHUNK,
    dropped_data,
    encode,
    freed_data,
    runs,
    size_of,
)
from edge_agent.ports import Depth, Lane, Row


class MemoryOutbox:
    """See ``ports.Outbox``; holds ``room_bytes`` of rows."""

    def __init__(self, *, epoch: int = 1, room_bytes: int = 1 << 20) -> None:
        self.rows: list[Row] = []
        self._epoch = epoch
        self._room_bytes = room_bytes
        self._last = 0
        self._acked = 0
        self._sizes: dict[int, int] = {}
        self._origins: dict[str, str] = {}
        self._used = 0
        self._dropped = 0
        self._grew = asyncio.Condition()

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def last_sequence(self) -> int:
        return self._last

    async def append(
        self,
        slot: str,
        fact_type: str,
        data: dict[str, Any],
        at: datetime,
        lane: Lane = Lane.BUSINESS,
        *,
        origin: str = "",
    ) -> int:
        self._make_room(size_of(encode(data)), at)
        sequence = self._insert(slot, fact_type, data, at, lane)
        if origin:
            self._origins[slot] = origin
        await self._tell()
        return sequence

    async def last_origin(self, slot: str) -> str:
        return self._origins.get(slot, "")

    async def peek(self, after: int, limit: int) -> list[Row]:
        return [row for row in self.rows if row.sequence > after][:limit]

    async def dropped(self, first: int, last: int) -> list[Row]:
        facts = [row for row in self.rows if row.type == DROPPED]
        return [row for row in facts if row.data["from_sequence"] <= last and row.data["to_sequence"] >= first]

    async def freed(self, at: datetime) -> Row:
        data = freed_data(self._acked)
        if not any(row.type == FREED and row.data == data for row in self.rows):
            self._insert(AGENT, FREED, data, at, Lane.BUSINESS)
            await self._tell()
        return next(row for row in self.rows if row.type == FREED and row.data == data)

    async def give_up(self, through: int, *, keep: int, reason: str, at: datetime) -> int:
        waiting = [row.sequence for row in self.rows if row.lane is Lane.TELEMETRY]
        going = [sequence for sequence in waiting[: max(0, len(waiting) - keep)] if sequence <= through]
        del going[GIVE_UP_CHUNK:]
        self._drop(going, at, reason)
        await self._tell()
        return len(going)

    async def late_up_to(self, before: datetime, after: datetime) -> int:
        return max((row.sequence for row in self.rows if not before <= row.at <= after), default=0)

    async def acknowledged(self) -> int:
        return self._acked

    async def ack(self, epoch: int, sequence: int) -> None:
        if epoch == self._epoch and self._acked < sequence <= self._last:
            self._acked = sequence
            self._remove({row.sequence for row in self.rows if row.sequence <= sequence})

    async def depth(self) -> Depth:
        business = [row for row in self.rows if row.lane is Lane.BUSINESS]
        return Depth(
            epoch=self._epoch,
            last_sequence=self._last,
            business=len(business),
            telemetry=len(self.rows) - len(business),
            oldest_at=min((row.at for row in self.rows), default=None),
            fill=min(1.0, sum(self._sizes[row.sequence] for row in business) / self._room_bytes),
            dropped=self._dropped,
        )

    async def accepts_flows(self) -> bool:
        return (await self.depth()).fill < FLOW_LIMIT

    async def wait_beyond(self, sequence: int) -> None:
        async with self._grew:
            await self._grew.wait_for(lambda: self._last > sequence)

    def _insert(self, slot: str, fact_type: str, data: dict[str, Any], at: datetime, lane: Lane) -> int:
        self._last += 1
        self.rows.append(Row(self._last, lane, slot, fact_type, at, data))
        self._sizes[self._last] = size_of(encode(data))
        self._used += self._sizes[self._last]
        return self._last

    def _make_room(self, size: int, at: datetime) -> None:
        while self._used + size > self._room_bytes:
            oldest = [row.sequence for row in self.rows if row.lane is Lane.TELEMETRY][:DROP_CHUNK]
            if not oldest:
                raise OutboxFull(f"outbox: expected room for {size} bytes, business rows fill it")
            self._drop(oldest, at, FULL)

    def _drop(self, sequences: list[int], at: datetime, reason: str) -> None:
        self._remove(set(sequences))
        self._dropped += len(sequences)
        for first, last in runs(sequences):
            self._insert(AGENT, DROPPED, dropped_data(first, last, reason), at, Lane.BUSINESS)

    async def _tell(self) -> None:
        async with self._grew:
            self._grew.notify_all()

    def _remove(self, sequences: set[int]) -> None:
        self.rows = [row for row in self.rows if row.sequence not in sequences]
        self._used -= sum(self._sizes.pop(sequence) for sequence in sequences)
