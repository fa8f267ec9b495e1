"""Log-in with a password: what is kept, what is told, and how it becomes slower."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from argon2 import Parameters, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from cloud.access.adapters.passwords import Argon2
from cloud.access.model import Attempts, Grant, Role
from cloud.access.service import Door, Refused
from cloud.access.service.accounts import check_password
from cloud.access.states import LONGEST_MS, AccountStep, failed
from cloud.access.store.tables import accounts, login_attempts, sessions
from cloud.app.limits import Bucket
from cloud.core.clock import SetClock
from cloud.core.errors import Invalid, TooMany
from cloud.wiring import Cloud
from tests.builders.clouds import MORNING, open_cloud
from tests.builders.people import PASSWORD, add_person

HERE = "10.1.2.3"
QUICK = Argon2(Parameters(RFC_9106_LOW_MEMORY.type, 19, 16, 32, 1, 1024, 1))


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", clock) as opened:
        yield opened


def door_of(cloud: Cloud, passwords: Argon2 = QUICK) -> Door:
    """A door as that of the cloud, but quick: what is tried here is the counting, not the hash."""
    return Door(cloud.db, cloud.access.keys, passwords, cloud.clock)


async def known(cloud: Cloud, name: str, passwords: Argon2 = QUICK) -> None:
    kept = passwords.hash(PASSWORD)
    await cloud.db.write(lambda tx: cloud.access.accounts.add(tx, name, "", kept, [Grant(Role.MANAGER, "*")]))


async def refused(
    cloud: Cloud, name: str, password: str = "not this one", address: str = HERE, passwords: Argon2 = QUICK
) -> str:
    with pytest.raises((Refused, TooMany)) as caught:
        await door_of(cloud, passwords).log_in(name, password, address)
    return str(caught.value)


async def test_the_right_password_opens(cloud: Cloud) -> None:
    account = await add_person(cloud, "lin", Role.MANAGER)
    session = await cloud.access.door.log_in(" Lin ", PASSWORD, HERE)
    held = await cloud.db.read(lambda conn: cloud.access.keys.holder_of_session(conn, session))
    assert held is not None
    assert (str(held.caller.actor), held.caller.name) == (f"person:{account.account_id}", "lin 先生")


async def test_nothing_that_opens_a_door_is_kept(cloud: Cloud) -> None:
    await known(cloud, "lin")
    session = await door_of(cloud).log_in("lin", PASSWORD, HERE)
    await refused(cloud, "typed my password here")
    tables = (accounts, sessions, login_attempts)
    rows = await cloud.db.read(lambda conn: [str(row) for table in tables for row in conn.execute(sa.select(table))])
    assert not [row for row in rows if PASSWORD in row or session in row or "typed my" in row or HERE in row]
    kept = await cloud.db.read(lambda conn: conn.execute(sa.select(accounts.c.password)).scalar_one())
    assert kept.startswith("$argon2id$")


def test_passwords_are_hashed_as_rfc_9106_says() -> None:
    found = extract_parameters(Argon2().hash(PASSWORD))
    assert (found.memory_cost, found.time_cost, found.parallelism) == (64 * 1024, 3, 4)
    assert Argon2().is_old(QUICK.hash(PASSWORD))
    assert not Argon2().fits("no hash at all", PASSWORD)


async def test_a_hash_of_former_settings_is_renewed_at_the_next_log_in(cloud: Cloud) -> None:
    await known(cloud, "old")
    session = await cloud.access.door.log_in("old", PASSWORD, HERE)
    assert await cloud.db.read(lambda conn: cloud.access.keys.holder_of_session(conn, session)) is not None
    person = await cloud.db.read(lambda conn: cloud.access.accounts.named(conn, "old"))
    assert not Argon2().is_old(person.account.password)


async def test_every_refusal_says_the_same(cloud: Cloud) -> None:
    await known(cloud, "lin")
    await known(cloud, "gone")
    await cloud.db.write(lambda tx: cloud.access.accounts.step(tx, "gone", AccountStep.DISABLE))
    words = {
        await refused(cloud, "lin"),
        await refused(cloud, "nobody"),
        await refused(cloud, "gone", PASSWORD),
        await refused(cloud, "", ""),
        await refused(cloud, "x' OR 1=1 --", "\x00"),
    }
    assert len(words) == 1


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(cloud: Cloud) -> None:
    real = Argon2()
    for index in range(6):
        await add_person(cloud, f"known-{index}", Role.CREW)
    await refused(cloud, "warm", passwords=real)
    took: dict[str, list[float]] = {"known": [], "unknown": []}
    for index in range(6):
        for kind in took:
            began = time.perf_counter()
            await refused(cloud, f"{kind}-{index}", address=f"10.0.{index}.{len(kind)}", passwords=real)
            took[kind].append(time.perf_counter() - began)
    usual, unknown = (statistics.median(values) for values in took.values())
    assert 0.5 < unknown / usual < 2.0, f"known {usual:.4f} s, unknown {unknown:.4f} s"
    print(f"log-in refused: known {usual * 1000:.1f} ms, unknown {unknown * 1000:.1f} ms (medians of 6)")


@pytest.mark.parametrize("name", ["lin", "nobody"])
async def test_each_failure_makes_the_next_wait_longer(cloud: Cloud, clock: SetClock, name: str) -> None:
    await known(cloud, "lin")
    waits = []
    for turn in range(9):
        said = await refused(cloud, name, address=f"10.0.0.{turn}")
        assert "expected the name" in said
        try:
            await door_of(cloud).log_in(name, PASSWORD, "10.9.9.9")
        except TooMany as error:  # also with the right password, from elsewhere
            waits.append(error.again_s)
            clock.advance(error.again_s)
        except Refused:
            waits.append(0)
        else:
            return  # the right password opened while it cost nothing yet: the count began anew
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[-1] > 1


async def test_the_right_password_opens_after_the_wait_and_ends_it(cloud: Cloud, clock: SetClock) -> None:
    await known(cloud, "lin")
    for turn in range(5):
        await refused(cloud, "lin", address=f"10.0.0.{turn}")
    assert "try again in 1 s" in await refused(cloud, "lin", PASSWORD)
    clock.advance(1)
    await door_of(cloud).log_in("lin", PASSWORD, HERE)
    assert "expected the name" in await refused(cloud, "lin")


async def test_many_at_once_are_no_way_around_the_wait(cloud: Cloud) -> None:
    await known(cloud, "lin")
    said = await asyncio.gather(*(refused(cloud, "lin", f"guess {n}", f"10.0.0.{n}") for n in range(30)))
    assert sum("expected the name" in one for one in said) == 5


async def test_one_address_cannot_try_every_name(cloud: Cloud) -> None:
    said = [await refused(cloud, f"name-{n}") for n in range(24)]
    assert [("try again" in one) for one in said] == [False] * 21 + [True] * 3


def test_the_wait_grows_to_a_quarter_of_an_hour_and_a_day_forgets() -> None:
    attempts, now = Attempts(), 1_000_000
    for _ in range(40):
        attempts = failed("account", attempts, now)
    assert attempts.until_ms - now == LONGEST_MS
    assert failed("account", attempts, now + 25 * 3600 * 1000).failures == 1


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "my-name-is-lin-you-know", "x" * 300, ""])
def test_a_password_that_can_be_guessed_is_not_taken(password: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_password(password, "lin")
    assert not password or password not in str(caught.value)


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    bucket = Bucket(rate=2, burst=3, now=lambda: now[0])
    for _ in range(3):
        bucket.take("a")
    with pytest.raises(TooMany) as caught:
        bucket.take("a")
    assert caught.value.again_s == 1
    bucket.take("b")
    now[0] += 0.5
    bucket.take("a")
    with pytest.raises(TooMany):
        bucket.take("a")
