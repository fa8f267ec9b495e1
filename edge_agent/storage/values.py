"""Small values that must outlive the process, as JSON by name."""

import json
import sqlite3
from typing import Any

from edge_agent.storage.file import DurableFile

SCHEMA = "CREATE TABLE IF NOT EXISTS value (name TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;"


class Values:
    """``get`` and ``put`` on a file whose schema contains ``SCHEMA``."""

    def __init__(self, file: DurableFile) -> None:
        self._file = file

    async def get(self, name: str) -> Any:
        """The value, or None when it was never put."""

        def read(connection: sqlite3.Connection) -> Any:
            row = connection.execute("SELECT json FROM value WHERE name = ?", (name,)).fetchone()
            return None if row is None else json.loads(row[0])

        return await self._file.run(read)

    async def put(self, name: str, value: Any) -> None:
        """Durable when this returns."""
        text = json.dumps(value, ensure_ascii=False)
        await self._file.run(
            lambda connection: connection.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, text))
        )
