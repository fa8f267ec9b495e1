"""Doubts on the disk: what a device showed before a command began, until its outcome is known.

A doubt is made durable with ``started``. It ends with any outcome but ``unknown``; else evidence decides (``judge``).
"""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from device_profiles.capabilities.evidence import Verdict

SCHEMA = """
CREATE TABLE IF NOT EXISTS doubt (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    command_id TEXT NOT NULL UNIQUE,
    slot TEXT NOT NULL,
    name TEXT NOT NULL,
    before TEXT NOT NULL,
    verdict TEXT NOT NULL,
    shown TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A command that may have had its effect. ``before``: see ``evidence.remembered``; ``shown``: the device's own
    record of it, when it keeps one.
    """

    command_id: str
    slot: str
    name: str
    before: Mapping[str, Any]
    verdict: Verdict = Verdict.OPEN
    shown: Mapping[str, Any] = field(default_factory=dict)


def add(connection: sqlite3.Connection, doubt: Doubt) -> None:
    """Remember it, in the caller's transaction."""
    values = (doubt.command_id, doubt.slot, doubt.name, json.dumps(dict(doubt.before)), doubt.verdict, "{}")
    connection.execute(
        "INSERT INTO doubt (command_id, slot, name, before, verdict, shown) VALUES (?, ?, ?, ?, ?, ?)", values
    )


def of_slot(connection: sqlite3.Connection, slot: str) -> list[Doubt]:
    """Those of one slot, oldest first."""
    rows = connection.execute(
        "SELECT command_id, slot, name, before, verdict, shown FROM doubt WHERE slot = ? ORDER BY number", (slot,)
    )
    return [Doubt(row[0], row[1], row[2], json.loads(row[3]), Verdict(row[4]), json.loads(row[5])) for row in rows]


def judge(connection: sqlite3.Connection, command_id: str, verdict: Verdict, shown: Mapping[str, Any]) -> None:
    """Keep the verdict: the device may change before it is told."""
    values = (verdict, json.dumps(dict(shown)), command_id)
    connection.execute("UPDATE doubt SET verdict = ?, shown = ? WHERE command_id = ?", values)


def forget(connection: sqlite3.Connection, command_id: str) -> None:
    """The outcome is known and told."""
    connection.execute("DELETE FROM doubt WHERE command_id = ?", (command_id,))
