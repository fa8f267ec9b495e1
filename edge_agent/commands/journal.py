"""What became of every command, on the disk: it survives a crash, and its effect does not happen twice.

A command is ``received`` (it may be confirmed to the broker), ``started`` (its effect may have begun), ``finished``
(its result is known) and then reported (its result waits in the outbox). Arguments are wiped when it is finished.
"""

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Any

from device_profiles.capabilities.evidence import Verdict
from device_profiles.messages.command import CommandBody, Outcome, ResultBody
from device_profiles.messages.envelope import canonical_json
from edge_agent.commands import doubts
from edge_agent.commands.doubts import Doubt
from edge_agent.storage.file import DurableFile

SCHEMA = (
    doubts.SCHEMA
    + """
CREATE TABLE IF NOT EXISTS command (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    command_id TEXT NOT NULL UNIQUE,
    slot TEXT NOT NULL,
    digest TEXT NOT NULL,
    stage TEXT NOT NULL,
    body TEXT,
    started_at TEXT,
    finished_at TEXT,
    result TEXT,
    reported INTEGER NOT NULL DEFAULT 0
);
"""
)
KEEP = timedelta(days=7)
"""How long the result of a command is repeated; the broker and the cloud give up long before."""


class Stage(StrEnum):
    """How far a command has come."""

    RECEIVED = "received"
    STARTED = "started"
    FINISHED = "finished"


STAGES: dict[Stage, frozenset[Stage]] = {
    Stage.RECEIVED: frozenset({Stage.STARTED, Stage.FINISHED}),
    Stage.STARTED: frozenset({Stage.FINISHED}),
    Stage.FINISHED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One command in the journal. ``body`` is None once it is finished, ``result`` until then."""

    slot: str
    command_id: str
    digest: str
    stage: Stage
    body: CommandBody | None
    started_at: datetime | None
    result: ResultBody | None
    reported: bool


class Journal:
    """On a file whose schema contains ``SCHEMA``. Every change is durable when its call returns."""

    def __init__(self, file: DurableFile) -> None:
        self._file = file

    async def receive(self, slot: str, body: CommandBody) -> Entry | None:
        """Remember a command. None when it is new, otherwise what is known of it (and nothing changes)."""
        digest = args_digest(slot, body)

        def write(connection: sqlite3.Connection) -> Entry | None:
            if (known := _find(connection, body.command_id)) is not None:
                return known
            connection.execute(
                "INSERT INTO command (command_id, slot, digest, stage, body) VALUES (?, ?, ?, ?, ?)",
                (body.command_id, slot, digest, Stage.RECEIVED, body.model_dump_json()),
            )
            return None

        return await self._file.run(write)

    async def start(self, command_id: str, at: datetime, doubt: Doubt | None = None) -> None:
        """Its effect may begin now. ``doubt``: what will settle it if its outcome stays unknown, durable with it."""
        also = None if doubt is None else partial(doubts.add, doubt=doubt)
        await self._advance(command_id, Stage.STARTED, "started_at = ?", at.isoformat(), also=also)

    async def finish(self, result: ResultBody, at: datetime) -> None:
        """Its result is known; its arguments are forgotten."""
        change = "finished_at = ?, result = ?, body = NULL"
        known = result.outcome is not Outcome.UNKNOWN
        also = partial(doubts.forget, command_id=result.command_id) if known else None
        await self._advance(
            result.command_id, Stage.FINISHED, change, at.isoformat(), result.model_dump_json(), also=also
        )

    async def doubts(self, slot: str) -> list[Doubt]:
        """Commands of a slot whose outcome is not known, oldest first."""
        return await self._file.run(lambda connection: doubts.of_slot(connection, slot))

    async def judge(self, command_id: str, verdict: Verdict, shown: Mapping[str, Any]) -> None:
        """What the evidence says of a doubt."""
        await self._file.run(lambda connection: doubts.judge(connection, command_id, verdict, shown))

    async def settle(self, result: ResultBody) -> None:
        """The doubt is over: ``result`` is in the outbox, and is repeated from now on."""

        def write(connection: sqlite3.Connection) -> None:
            doubts.forget(connection, result.command_id)
            values = (result.model_dump_json(), result.command_id)
            connection.execute("UPDATE command SET result = ? WHERE command_id = ?", values)

        await self._file.run(write)

    async def reported(self, command_id: str) -> None:
        """Its result is durable in the outbox."""
        await self._file.run(
            lambda connection: connection.execute("UPDATE command SET reported = 1 WHERE command_id = ?", (command_id,))
        )

    async def unreported(self) -> list[Entry]:
        """What an earlier run left undone, in the order in which it came."""
        statement = "SELECT * FROM command WHERE reported = 0 ORDER BY number"
        return await self._file.run(lambda connection: [_entry(row) for row in _dicts(connection, statement, ())])

    async def find(self, command_id: str) -> Entry | None:
        """What is known of a command."""
        return await self._file.run(lambda connection: _find(connection, command_id))

    async def expire(self, now: datetime) -> None:
        """Forget what was finished and reported longer than ``KEEP`` ago."""
        limit = (now - KEEP).isoformat()
        await self._file.run(
            lambda connection: connection.execute(
                "DELETE FROM command WHERE reported = 1 AND finished_at < ?", (limit,)
            )
        )

    async def _advance(
        self,
        command_id: str,
        stage: Stage,
        change: str,
        *values: Any,
        also: Callable[[sqlite3.Connection], None] | None = None,
    ) -> None:
        before = [known for known, following in STAGES.items() if stage in following]
        marks = ", ".join("?" * len(before))
        statement = f"UPDATE command SET stage = ?, {change} WHERE command_id = ? AND stage IN ({marks})"

        def write(connection: sqlite3.Connection) -> None:
            changed = connection.execute(statement, (stage, *values, command_id, *before)).rowcount
            if changed != 1:
                raise ValueError(f"command {command_id}: expected it in {', '.join(before)} before {stage}")
            if also is not None:
                also(connection)

        await self._file.run(write)


def args_digest(slot: str, body: CommandBody) -> str:
    """What makes two commands the same: slot, name and arguments."""
    return sha256(canonical_json([slot, body.name, body.args])).hexdigest()


def _find(connection: sqlite3.Connection, command_id: str) -> Entry | None:
    rows = _dicts(connection, "SELECT * FROM command WHERE command_id = ?", (command_id,))
    return _entry(rows[0]) if rows else None


def _dicts(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    cursor = connection.execute(statement, values)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(
        slot=row["slot"],
        command_id=row["command_id"],
        digest=row["digest"],
        stage=Stage(row["stage"]),
        body=None if row["body"] is None else CommandBody.model_validate_json(row["body"]),
        started_at=None if row["started_at"] is None else datetime.fromisoformat(row["started_at"]),
        result=None if row["result"] is None else ResultBody(**json.loads(row["result"])),
        reported=bool(row["reported"]),
    )
