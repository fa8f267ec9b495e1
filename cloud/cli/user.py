"""``hallfleet user``: people, their roles, and tokens for programs. Works on the cloud's database, running or not."""

import argparse
import asyncio
import getpass
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloud.access.model import Grant, Person, Role
from cloud.access.service.accounts import check_password
from cloud.access.states import AccountStep
from cloud.core.actors import CURRENT, Actor
from cloud.core.callers import ALL_HALLS, Permission
from cloud.core.clock import from_ms
from cloud.core.errors import HallfleetError, Invalid
from cloud.settings import CloudSettings, read_settings
from cloud.storage.tx import Tx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cloud.wiring import Cloud

CONSOLE = Actor("system", "console")
Work = Callable[["Cloud", argparse.Namespace], Awaitable[None]]


def main(argv: list[str]) -> int:
    """Run one verb; 0 when all is well, 1 with a message when not."""
    options = _parser().parse_args(argv)
    try:
        if options.asks:
            options.password = ask_password(options.name)
        asyncio.run(_run(read_settings(options.config), options))
    except HallfleetError as error:
        print(f"hallfleet user: {error}", file=sys.stderr)
        return 1
    return 0


def ask_password(name: str) -> str:
    """From the terminal, twice; or the first line of standard input. Never an argument: others could read it there."""
    if not sys.stdin.isatty():
        return check_password(sys.stdin.readline().rstrip("\r\n"), name)
    first = check_password(getpass.getpass(f"password of {name}: "), name)
    if getpass.getpass("once more: ") != first:
        raise Invalid("password: expected the same twice")
    return first


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet user", description="people, their roles, tokens for programs")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, work: Work, purpose: str, *, named: bool = True, asks: bool = False) -> argparse.ArgumentParser:
        found = verbs.add_parser(name, help=purpose)
        found.add_argument("--config", type=Path, help="TOML file; HALLFLEET_CLOUD_* variables win over it")
        if named:
            found.add_argument("name", metavar="NAME", help="the account")
        found.set_defaults(work=work, asks=asks)
        return found

    add = verb("add", _add, "a new account; the password is asked for, or read from standard input", asks=True)
    add.add_argument("--shown-name", default="", help="how pages greet the person")
    _grant_arguments(add)
    found = verb("list", _list, "all accounts", named=False)
    found.add_argument("--json", action="store_true")
    for step in AccountStep:
        verb(step, _step, f"{step} an account; its sessions end at once").set_defaults(step=step)
    verb("password", _password, "another password; sessions end", asks=True)
    _grant_arguments(verb("grant", _grant, "a role more; sessions end"))
    _grant_arguments(verb("withdraw", _withdraw, "a role less; sessions end"))
    _token_verbs(verb)
    return parser


def _grant_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--role", type=Role, choices=list(Role), required=True)
    _hall_arguments(parser)


def _hall_arguments(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--hall", action="append", help="may come several times")
    where.add_argument("--all-halls", dest="hall", action="store_const", const=[ALL_HALLS])


def _token_verbs(verb: Callable[..., argparse.ArgumentParser]) -> None:
    token = verb("token", _token, "a token for a program that acts for the account; shown once")
    token.add_argument("--label", required=True, help="what it is for")
    token.add_argument("--scope", type=Permission, choices=list(Permission), action="append", required=True)
    token.add_argument("--days", type=int, default=90)
    _hall_arguments(token)
    verb("tokens", _tokens, "all tokens", named=False).add_argument("--json", action="store_true")
    verb("revoke", _revoke, "end a token", named=False).add_argument("token", metavar="TOKEN-ID")


async def _run(settings: CloudSettings, options: argparse.Namespace) -> None:
    CURRENT.set(CONSOLE)
    async with _opened(settings) as cloud:
        await options.work(cloud, options)


@asynccontextmanager
async def _opened(settings: CloudSettings) -> "AsyncIterator[Cloud]":
    """The whole cloud with nothing running: what reacts to people coming and going (the record) reacts here too."""
    from cloud.app.process import prepare_schema
    from cloud.wiring import build
    from device_profiles.configuration import make_folder

    make_folder("data_dir", settings.data_dir)
    cloud = build(settings)
    try:
        async with cloud.db:
            await asyncio.to_thread(prepare_schema, cloud, False)
            yield cloud
    finally:
        await cloud.telemetry.close()


async def _add(cloud: "Cloud", options: argparse.Namespace) -> None:
    grants = [Grant(options.role, hall) for hall in options.hall]
    kept = await asyncio.to_thread(cloud.access.passwords.hash, options.password)
    add = cloud.access.accounts.add
    await cloud.db.write(lambda tx: add(tx, options.name, options.shown_name, kept, grants))
    print(f"{options.name}: {options.role} in {', '.join(options.hall)}")


async def _list(cloud: "Cloud", options: argparse.Namespace) -> None:
    people = await cloud.db.read(cloud.access.accounts.everybody)
    if options.json:
        print(json.dumps([_shown(person) for person in people], ensure_ascii=False, indent=2))
        return
    for shown in map(_shown, people):
        print(f"{shown['name']:<20} {shown['state']:<9} {', '.join(shown['roles']):<40} {shown['shown_name']}")


async def _step(cloud: "Cloud", options: argparse.Namespace) -> None:
    await cloud.db.write(lambda tx: cloud.access.accounts.step(tx, options.name, options.step))
    print(f"{options.name}: {options.step}d")


async def _password(cloud: "Cloud", options: argparse.Namespace) -> None:
    kept = await asyncio.to_thread(cloud.access.passwords.hash, options.password)
    await cloud.db.write(lambda tx: cloud.access.accounts.set_password(tx, options.name, kept))
    print(f"{options.name}: new password")


async def _grant(cloud: "Cloud", options: argparse.Namespace) -> None:
    await cloud.db.write(lambda tx: _each(tx, options, cloud.access.accounts.grant))
    print(f"{options.name}: also {options.role} in {', '.join(options.hall)}")


async def _withdraw(cloud: "Cloud", options: argparse.Namespace) -> None:
    await cloud.db.write(lambda tx: _each(tx, options, cloud.access.accounts.withdraw))
    print(f"{options.name}: no longer {options.role} in {', '.join(options.hall)}")


def _each(tx: Tx, options: argparse.Namespace, change: Callable[[Tx, str, Grant], object]) -> None:
    for hall in options.hall:
        change(tx, options.name, Grant(options.role, hall))


async def _token(cloud: "Cloud", options: argparse.Namespace) -> None:
    person = await cloud.db.read(lambda conn: cloud.access.accounts.named(conn, options.name))
    add = cloud.access.keys.add_token
    text, token = await cloud.db.write(
        lambda tx: add(tx, person, options.label, options.scope, options.hall, options.days)
    )
    print(f"{token.token_id}: until {from_ms(token.ends_ms):%Y-%m-%d}; shown only now:", file=sys.stderr)
    print(text)


async def _tokens(cloud: "Cloud", options: argparse.Namespace) -> None:
    found = await cloud.db.read(cloud.access.keys.tokens)
    shown: list[dict[str, Any]] = [
        {
            "id": token.token_id,
            "account": token.account_id,
            "label": token.label,
            "scopes": list(token.scopes),
            "halls": list(token.halls),
            "ends_at": from_ms(token.ends_ms).isoformat(),
            "used_at": None if token.used_ms is None else from_ms(token.used_ms).isoformat(),
        }
        for token in found
    ]
    if options.json:
        print(json.dumps(shown, ensure_ascii=False, indent=2))
        return
    for one in shown:
        print(f"{one['id']} {one['label']}: {', '.join(one['scopes'])} in {', '.join(one['halls'])}, {one['ends_at']}")


async def _revoke(cloud: "Cloud", options: argparse.Namespace) -> None:
    await cloud.db.write(lambda tx: cloud.access.keys.revoke(tx, options.token))
    print(f"{options.token}: revoked")


def _shown(person: Person) -> dict[str, Any]:
    account = person.account
    return {
        "name": account.name,
        "shown_name": account.shown_name,
        "id": account.account_id,
        "state": str(account.state),
        "comes_by": account.issuer or "password",
        "roles": sorted(f"{grant.role}@{grant.hall}" for grant in person.grants),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
