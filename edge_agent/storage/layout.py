"""How a file of the agent is opened: checked, set aside when it is bad, and with its room taken in advance.

A full disk must not stop the machine: SQLite needs room even to delete. So a new file is filled to its size once and
emptied again (the pages stay), growth beyond that is refused, and the write-ahead log is brought to its largest size.
"""

import logging
import os
import sqlite3
from datetime import datetime
from pathlib import Path

from edge_agent.errors import StorageError

PAGE_BYTES = 4096
LOG_PAGES = 256  # a checkpoint every MiB keeps the log small and its size constant
LOG_RESERVES = 5  # of half of LOG_PAGES each
LAYOUT_VERSION = 1
INDEX_BYTES = 64 * 1024  # the shared index of the log
_STEP = 1 << 20
_log = logging.getLogger(__name__)


def open_file(path: Path, schema: str, room_bytes: int, now: datetime) -> tuple[sqlite3.Connection, bool]:
    """Open ``path`` or make it new; returns the connection and whether it is new. Raises StorageError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _held_room(path).unlink(missing_ok=True)
        if path.exists() and not _is_sound(path):
            _set_aside(path, now)
        is_new = not path.exists()
        if is_new:
            _create(path, schema, room_bytes)
        return _connect(path, schema), is_new
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{path}: expected a file that can be opened and written, got: {error}") from error


def close_file(connection: sqlite3.Connection, path: Path) -> None:
    """Close the file and hold the room of its log, which SQLite gives back: the disk may be full at the next start."""
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    connection.close()
    try:
        with _held_room(path).open("wb") as held:
            os.posix_fallocate(held.fileno(), 0, size + INDEX_BYTES)
    except OSError as error:
        _log.warning("%s: no room held for the next start: %s", path, error)


def _held_room(path: Path) -> Path:
    return path.with_name(f"{path.name}.room")


def _is_sound(path: Path) -> bool:
    try:
        connection = sqlite3.connect(path)
        try:
            return connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return False
        raise


def _set_aside(path: Path, now: datetime) -> None:
    """Rename the bad file: it is evidence, and somebody may still read most of it."""
    mark = now.strftime("%Y%m%dT%H%M%S%f")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(path.with_name(f"{path.name}.bad-{mark}{suffix}"))


def _create(path: Path, schema: str, room_bytes: int) -> None:
    # Under another name until it is complete: a power cut in here leaves no half-made file behind.
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    connection = sqlite3.connect(draft, isolation_level=None)
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.executescript(schema)
    _take_room(connection, room_bytes)
    connection.execute(f"PRAGMA user_version={LAYOUT_VERSION}")
    connection.close()
    os.chmod(draft, 0o600)
    _sync(draft)
    draft.rename(path)
    _sync(path.parent)


def _take_room(connection: sqlite3.Connection, room_bytes: int) -> None:
    connection.execute("CREATE TABLE filler (x BLOB)")
    for _ in range(max(1, room_bytes // _STEP)):
        connection.execute("INSERT INTO filler VALUES (zeroblob(?))", (_STEP,))
    connection.execute("DROP TABLE filler")
    connection.execute("CREATE TABLE log_reserve (x BLOB)")
    connection.execute("INSERT INTO log_reserve VALUES (zeroblob(?))", (LOG_PAGES * PAGE_BYTES // 2,))


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != LAYOUT_VERSION:
        raise StorageError(f"{path}: expected layout {LAYOUT_VERSION}, got {version}; use the agent that wrote it")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    connection.execute("PRAGMA cache_size=-512")  # KiB: rows go in at one end and out at the other
    connection.executescript(schema)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    # Writes the reserve anew, in place: the log takes its largest size now, while the disk has room. That is what it
    # holds before a checkpoint, and a large transaction behind it.
    connection.execute("PRAGMA wal_autocheckpoint=0")
    for _ in range(LOG_RESERVES):
        connection.execute("UPDATE log_reserve SET x = randomblob(length(x))")  # equal bytes would not be written
    connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    return connection


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
