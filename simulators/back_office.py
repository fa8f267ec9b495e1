"""What the sandbox departments remember: payments, renewals, endorsements, in one small SQLite file.

Every request has a key: the same key with the same content gives the first answer again, with other content it is
refused. Codes and numbers of people are kept as a digest and their last four characters.
"""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from simulators.errors import SimulatorError

_TABLES = """
CREATE TABLE IF NOT EXISTS request (
    kind TEXT NOT NULL, key TEXT NOT NULL, asked TEXT NOT NULL, answer TEXT NOT NULL, number INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE TABLE IF NOT EXISTS used_code (digest TEXT PRIMARY KEY, key TEXT NOT NULL);
"""


class KeyReused(SimulatorError):
    """The key was used before with other content."""


Answer = dict[str, Any]


def digest(secret: str) -> str:
    """SHA-256 of something that must not be stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def tail(secret: str) -> str:
    """The last four characters behind asterisks."""
    return "****" + secret[-4:]


class BackOffice:
    """The file of the departments. Each method is one transaction; use it from one thread at a time.

    Raises SimulatorError when the file cannot be used.
    """

    def __init__(self, file: Path | str) -> None:
        try:
            self._db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._db.executescript(_TABLES)
        except sqlite3.Error as error:
            raise SimulatorError(f"{file}: expected a file for the departments' data, got: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def once(self, kind: str, key: str, asked: Answer, decide: Callable[[int], Answer]) -> Answer:
        """The answer to this key: the stored one, or ``decide(running number)``, stored. Raises KeyReused."""
        content = digest(json.dumps(asked, sort_keys=True))
        with self._transaction():
            known = self._db.execute(
                "SELECT asked, answer FROM request WHERE kind = ? AND key = ?", (kind, key)
            ).fetchone()
            if known is not None:
                if known[0] not in (content, ""):
                    raise KeyReused(f"{kind}: key {key!r} was used with other content; use a new key")
                return dict(json.loads(known[1]))
            number = self._next_number(kind)
            answer = decide(number)
            self._store(kind, key, content, answer, number)
            return answer

    def spend_code(self, code: str, key: str) -> bool:
        """Mark a one-use code as used; False when it was used before. Call it inside ``once``."""
        known = self._db.execute("SELECT key FROM used_code WHERE digest = ?", (digest(code),)).fetchone()
        if known is None:
            self._db.execute("INSERT INTO used_code (digest, key) VALUES (?, ?)", (digest(code), key))
        return known is None

    def find(self, kind: str, key: str) -> Answer | None:
        """The stored answer to that key."""
        row = self._db.execute("SELECT answer FROM request WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return dict(json.loads(row[0])) if row else None

    def reverse(self, key: str) -> Answer:
        """Give the money back. An unknown payment is noted as reversed, so that it is declined if it still comes."""
        with self._transaction():
            answer = self.find("payment", key)
            if answer is None:
                answer = {"key": key, "state": "reversed", "amount_fen": 0, "reason": "reversed_before_payment"}
                self._store("payment", key, "", answer, self._next_number("payment"))
            elif answer["state"] == "authorised":
                answer["state"] = "reversed"
                self._db.execute(
                    "UPDATE request SET answer = ? WHERE kind = 'payment' AND key = ?", (json.dumps(answer), key)
                )
            return answer

    def all(self, kind: str) -> list[Answer]:
        """Every stored answer of a kind, oldest first."""
        rows = self._db.execute("SELECT answer FROM request WHERE kind = ? ORDER BY number", (kind,))
        return [dict(json.loads(row[0])) for row in rows]

    def _store(self, kind: str, key: str, content: str, answer: Answer, number: int) -> None:
        self._db.execute(
            "INSERT INTO request (kind, key, asked, answer, number) VALUES (?, ?, ?, ?, ?)",
            (kind, key, content, json.dumps(answer), number),
        )

    def _next_number(self, kind: str) -> int:
        row = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM request WHERE kind = ?", (kind,)).fetchone()
        return int(row[0])

    def _transaction(self) -> AbstractContextManager[None]:
        return _Transaction(self._db)


class _Transaction(AbstractContextManager[None]):
    """BEGIN IMMEDIATE .. COMMIT, or ROLLBACK when an error passes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_rest: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
