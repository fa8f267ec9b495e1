"""The outbox of a real machine: one preallocated SQLite file, two lanes.

Rows leave in the order in which they came, and only when the cloud has said that it has them. When the room is used up
the oldest telemetry gives way, and an ``agent.dropped`` fact says which sequences will never come.
"""

import asyncio
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

from edge_agent.outbox import rows
from edge_agent.outbox.rules import DROPPED, FLOW_LIMIT, encode
from edge_agent.ports import Depth, Lane, Row
from edge_agent.storage.file import DurableFile


class SqliteOutbox:
    """See ``ports.Outbox``. ``await open(now)`` first; ``close`` at the end."""

    def __init__(self, path: Path, *, room_mib: int) -> None:
        self._file = DurableFile(path, rows.SCHEMA, room_mib=room_mib)
        self._epoch_note = path.with_name(f"{path.stem}.epoch")
        self._epoch = 0
        self._last = 0
        self._grew = asyncio.Condition()

    @property
    def epoch(self) -> int:
        return self._epoch

    @property
    def last_sequence(self) -> int:
        return self._last

    async def open(self, now: datetime) -> bool:
        """Check the file, or begin a new epoch (then True). Raises StorageError."""
        is_new = await self._file.open(now)
        self._epoch, self._last = await self._file.run(lambda connection: rows.begin(connection, self._next_epoch(now)))
        self._note_epoch()
        return is_new

    async def close(self) -> None:
        """Finish what was asked and close the file."""
        await self._file.close()

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
        text = encode(data)
        sequence = await self._file.run(
            lambda connection: rows.append(connection, slot, fact_type, text, at, lane, origin)
        )
        await self._tell(sequence)
        return sequence

    async def last_origin(self, slot: str) -> str:
        def read(connection: sqlite3.Connection) -> str:
            row = connection.execute("SELECT name FROM origin WHERE slot = ?", (slot,)).fetchone()
            return "" if row is None else str(row[0])

        return await self._file.run(read)

    async def peek(self, after: int, limit: int) -> list[Row]:
        statement = f"SELECT {rows.COLUMNS} FROM row WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return await self._file.run(
            lambda connection: [rows.row_of(found) for found in connection.execute(statement, (after, limit))]
        )

    async def dropped(self, first: int, last: int) -> list[Row]:
        statement = f"SELECT {rows.COLUMNS} FROM row WHERE type = '{DROPPED}' ORDER BY sequence"
        told = await self._file.run(lambda connection: [rows.row_of(found) for found in connection.execute(statement)])
        return [row for row in told if row.data["from_sequence"] <= last and row.data["to_sequence"] >= first]

    async def freed(self, at: datetime) -> Row:
        row = await self._file.run(lambda connection: rows.freed_row(connection, at))
        await self._tell(row.sequence)
        return row

    async def give_up(self, through: int, *, keep: int, reason: str, at: datetime) -> int:
        going, last = await self._file.run(lambda connection: rows.give_up(connection, through, keep, reason, at))
        await self._tell(last)
        return going

    async def late_up_to(self, before: datetime, after: datetime) -> int:
        statement = "SELECT coalesce(max(sequence), 0) FROM row WHERE at_us < ? OR at_us > ?"
        times = (rows.microseconds(before), rows.microseconds(after))
        return await self._file.run(lambda connection: int(connection.execute(statement, times).fetchone()[0]))

    async def acknowledged(self) -> int:
        return await self._file.run(lambda connection: rows.meta(connection, "acked"))

    async def ack(self, epoch: int, sequence: int) -> None:
        while epoch == self._epoch and await self._file.run(lambda connection: rows.ack(connection, sequence)):
            pass

    async def depth(self) -> Depth:
        return await self._file.run(rows.depth_of)

    async def accepts_flows(self) -> bool:
        return (await self.depth()).fill < FLOW_LIMIT

    async def wait_beyond(self, sequence: int) -> None:
        async with self._grew:
            await self._grew.wait_for(lambda: self._last > sequence)

    async def _tell(self, sequence: int) -> None:
        async with self._grew:
            self._last = max(self._last, sequence)
            self._grew.notify_all()

    def _note_epoch(self) -> None:
        """Only when it is new, and whole or not at all: a full disk must neither stop us nor empty the note."""
        if self._noted() != self._epoch:
            draft = self._epoch_note.with_name(f"{self._epoch_note.name}.new")
            draft.write_text(f"{self._epoch}\n")
            draft.replace(self._epoch_note)

    def _noted(self) -> int:
        try:
            return int(self._epoch_note.read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _next_epoch(self, now: datetime) -> int:
        # The note survives a bad file, the time of day a lost disk: either way the epoch rises.
        return max(self._noted() + 1, int(now.timestamp()))


def read_depth(path: Path) -> Depth:
    """The depth of a file, also while the agent that owns it runs. Raises sqlite3.Error."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        return rows.depth_of(connection)
    finally:
        connection.close()
