"""``hallfleet cloud rotate-keys`` and ``hallfleet cloud erase``: personal data at rest, beside a running cloud."""

import asyncio
from pathlib import Path

from cloud.audit.service import AuditService, RetentionService
from cloud.audit.service.retention import Erasure
from cloud.audit.store.anchors import FILE_NAME, AnchorFile
from cloud.core.actors import CURRENT, Actor
from cloud.core.clock import SystemClock, from_ms, to_ms
from cloud.core.errors import Conflict, Invalid
from cloud.core.keys import Keys, load_keys
from cloud.flows.store import privacy as flows
from cloud.joints.privacy import Traces, data_classes
from cloud.settings import CloudSettings, read_settings
from cloud.storage import schema
from cloud.storage.engine import must_answer, sqlite_file
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database
from device_profiles.errors import MessageError

SUBJECT_DIGITS = 32
OPERATOR = Actor("system", "command-line")


def rotate_keys(config: Path | None, drop: str | None, only_list: bool) -> None:
    """Make a new current key, take an old one out, or only say which there are."""
    settings = read_settings(config)
    now_ms = to_ms(SystemClock().now())
    keys = load_keys(_data_dir(settings), now_ms)
    if drop:
        asyncio.run(_check_unused(settings, keys, drop))
        keys.drop(drop)
        print(f"key {drop}: dropped; what was sealed to it is closed for good, also in copies and backups")
    elif not only_list:
        keys.rotate(now_ms)
        print("a running cloud tells its machines within seconds and seals anew what it holds; then drop the old key")
    for key in keys.ring:
        print(f"{key.key_id}  {from_ms(key.made_ms).date()}{'  current' if key is keys.current else ''}")


def erase(config: Path | None, subject: str) -> None:
    """End what is kept of the person with this token."""
    if len(subject) != SUBJECT_DIGITS or not set(subject) <= set("0123456789abcdef"):
        raise Invalid(f"--subject: expected a token of {SUBJECT_DIGITS} hex digits")
    erasure = asyncio.run(_end_person(read_settings(config), subject))
    ended = ", ".join(f"{name} {count}" for name, count in erasure.ended.items())
    print(f"{erasure.erasure_id}: {ended}")


def _data_dir(settings: CloudSettings) -> Path:
    if not settings.data_dir.is_dir():
        raise Invalid(f"{settings.data_dir}: expected the cloud's folder, got none; is data_dir right?")
    return settings.data_dir


async def _check_unused(settings: CloudSettings, keys: Keys, key_id: str) -> None:
    async with _open(settings) as db:
        left = await db.read(lambda conn: _sealed_to(conn, keys, key_id))
    if left:
        raise Conflict(
            f"key {key_id}: {left} values are still sealed to it; let the cloud run until they are sealed anew"
        )


def _sealed_to(conn: Connection, keys: Keys, key_id: str) -> int:
    count, place = 0, ("", "")
    while rows := flows.sealed_after(conn, place, 500):
        for _, _, sealed in rows:
            try:
                count += keys.key_of(sealed) == key_id
            except MessageError:
                continue  # no key of the ring opens it: dropping one changes nothing
        place = rows[-1][:2]
    return count


async def _end_person(settings: CloudSettings, subject: str) -> Erasure:
    clock = SystemClock()
    audit = AuditService(AnchorFile(settings.data_dir / FILE_NAME), clock)
    retention = RetentionService(data_classes(settings), settings.keep_audit_days, Traces(), audit, clock)
    CURRENT.set(OPERATOR)
    async with _open(settings) as db:
        return await db.write(lambda tx: retention.erase(tx, subject))


def _open(settings: CloudSettings) -> Database:
    file = sqlite_file(settings.database)
    if file is not None and not file.is_file():
        raise Invalid(f"{file}: expected the cloud's database, got no file; is data_dir right?")
    db = Database(settings.database)
    with must_answer():
        schema.check(db.write_engine)
    return db
