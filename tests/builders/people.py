"""People with accounts, and how their browsers and programs come in."""

from collections.abc import Collection
from functools import cache

from cloud.access.adapters.passwords import Argon2
from cloud.access.model import Account, Grant, Role
from cloud.access.service.keys import csrf_of
from cloud.core.callers import ALL_HALLS, Permission
from cloud.web.cookies import SESSION
from cloud.wiring import Cloud

PASSWORD = "orange lantern over the river"


@cache
def kept() -> str:
    """What is kept of PASSWORD; made once, it takes long on purpose."""
    return Argon2().hash(PASSWORD)


async def add_person(cloud: Cloud, name: str, role: Role | None, hall: str = ALL_HALLS) -> Account:
    """An account with PASSWORD and one role, or none."""
    grants = [] if role is None else [Grant(role, hall)]
    return await cloud.db.write(lambda tx: cloud.access.accounts.add(tx, name, f"{name} 先生", kept(), grants))


async def log_in(cloud: Cloud, account: Account) -> str:
    """A session of this account, as after the log-in page."""
    return await cloud.db.write(lambda tx: cloud.access.keys.begin(tx, account.account_id, "password"))


def browser(session: str, csrf: str | None = None) -> dict[str, str]:
    """The headers of a page of this session; ``csrf`` other than its own for a forged one."""
    return {"Cookie": f"{SESSION}={session}", "X-CSRF-Token": csrf_of(session) if csrf is None else csrf}


async def browser_of(cloud: Cloud, name: str, role: Role | None, hall: str = ALL_HALLS) -> dict[str, str]:
    """A new person, logged in: the headers of that browser."""
    return browser(await log_in(cloud, await add_person(cloud, name, role, hall)))


async def add_token(
    cloud: Cloud, name: str, scopes: Collection[Permission], halls: Collection[str] = (ALL_HALLS,), days: int = 30
) -> tuple[str, str]:
    """A token of the account ``name``: its id and its text."""
    person = await cloud.db.read(lambda conn: cloud.access.accounts.named(conn, name))
    text, token = await cloud.db.write(
        lambda tx: cloud.access.keys.add_token(tx, person, "robot", list(scopes), list(halls), days)
    )
    return token.token_id, text


def program(token: str) -> dict[str, str]:
    """The header of a program with this token."""
    return {"Authorization": f"Bearer {token}"}
