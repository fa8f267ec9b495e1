"""The ring of keys: rotation, values sealed to old keys, and the end of a key."""

import stat
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from nacl.public import PrivateKey

from cloud.audit.jobs import KeyTimer
from cloud.audit.service.retention import KeyRotation
from cloud.core.clock import SetClock
from cloud.core.errors import Conflict, Invalid, NotFound
from cloud.core.keys import RING, load_keys
from cloud.flows.store import cases
from cloud.flows.store.tables import case_secrets
from cloud.joints.privacy import reseal
from cloud.wiring import Cloud
from device_profiles.errors import MessageError
from device_profiles.messages.sealing import public_key, seal
from tests.builders.clouds import MORNING, open_cloud

VALUES = {"name": "样例", "id_number": "000000199001011234"}


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", SetClock(MORNING)) as opened:
        yield opened


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first, second = load_keys(tmp_path, 1), load_keys(tmp_path, 2)
    assert (first.ids(), first.subject_salt) == (second.ids(), second.subject_salt)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}
    assert first.current.private not in repr(first) + repr(first.current)


def test_the_one_key_of_an_earlier_version_becomes_the_ring(tmp_path: Path) -> None:
    private = b64encode(bytes(PrivateKey.generate())).decode()
    (tmp_path / "seal.key").write_text(private + "\n")
    keys = load_keys(tmp_path)
    assert dict(keys.unseal(seal(VALUES, public_key(private)))) == VALUES
    assert not (tmp_path / "seal.key").exists()


def test_old_values_stay_readable_until_their_key_is_dropped(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    old = seal(VALUES, keys.seal_public)
    first = keys.current.key_id
    new = keys.rotate(5)
    assert keys.ids() == [first, new.key_id] == load_keys(tmp_path).ids()
    assert dict(keys.unseal(old)) == VALUES
    anew = keys.reseal(old)
    assert anew is not None
    assert keys.reseal(anew) is None
    assert (keys.key_of(old), keys.key_of(anew)) == (first, new.key_id)
    with pytest.raises(Conflict, match="current"):
        keys.drop(new.key_id)
    keys.drop(first)
    assert dict(keys.unseal(anew)) == VALUES
    with pytest.raises(MessageError, match="not one of"):
        keys.unseal(old)
    with pytest.raises(NotFound):
        keys.drop(first)


@pytest.mark.parametrize("text", ["", "{}", '{"keys": []}', '{"keys": [{"private": "x", "made_ms": 1}]}'])
def test_a_damaged_ring_is_refused_and_never_replaced(tmp_path: Path, text: str) -> None:
    load_keys(tmp_path)
    (tmp_path / RING).write_text(text)
    with pytest.raises(Invalid, match=r"ring of keys|at least one"):
        load_keys(tmp_path)
    assert (tmp_path / RING).read_text() == text


async def _sealed(cloud: Cloud) -> list[str]:
    return await cloud.db.read(lambda conn: list(conn.scalars(sa.select(case_secrets.c.sealed))))


async def test_a_running_cloud_follows_a_rotation(cloud: Cloud) -> None:
    old = seal(VALUES, cloud.keys.seal_public)
    for number in range(3):
        await cloud.db.write(lambda tx, number=number: cases.keep_secret(tx.conn, f"case_{number}", "id", old))  # type: ignore[misc]
    await cloud.db.write(lambda tx: cases.keep_secret(tx.conn, "case_bad", "id", "damaged"))
    rotation = KeyRotation(cloud.audit, lambda tx, limit: reseal(cloud.keys, tx, limit))

    def tell(tx: object) -> None:
        told.append(cloud.keys.seal_public)

    told: list[str] = []
    timer = KeyTimer(cloud.db, cloud.keys.reload, tell, rotation.reseal)
    assert not await timer.look()
    load_keys(cloud.settings.data_dir).rotate(1)  # another process
    assert await timer.look()
    assert told == [cloud.keys.seal_public]
    sealed = await _sealed(cloud)
    assert old not in sealed
    assert sum(cloud.keys.reseal(value) is None for value in sealed if value != "damaged") == 3
    assert not await timer.look()
