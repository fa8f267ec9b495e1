"""``hallfleet cloud``: serve, migrate, broker, backup, restore, rotate-keys, erase."""

import argparse
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cloud.core.errors import HallfleetError, Invalid
from cloud.settings import CloudSettings, read_settings
from device_profiles.configuration import port_argument


def main(argv: list[str]) -> int:
    """Run one verb; 0 when all is well, 1 with a message when not."""
    options = _parser().parse_args(argv)
    try:
        options.run(options)
    except HallfleetError as error:
        print(f"hallfleet cloud: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet cloud", description="the fleet and the hall")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    configured = argparse.ArgumentParser(add_help=False)
    configured.add_argument("--config", type=Path, help="TOML file; HALLFLEET_CLOUD_* variables win over it")

    serve = verbs.add_parser("serve", parents=[configured], help="run until SIGTERM")
    serve.add_argument("--migrate", action="store_true", help="bring PostgreSQL's tables to this version first")
    serve.set_defaults(run=_serve)

    migrate = verbs.add_parser("migrate", parents=[configured], help="bring the tables to this version")
    migrate.add_argument("--autogenerate", metavar="NAME", help="for developers: write a migration for changed tables")
    migrate.set_defaults(run=_migrate)

    rotate = verbs.add_parser("rotate-keys", parents=[configured], help="a new key for machines to seal to")
    what = rotate.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="only say which keys there are, the current one last")
    what.add_argument("--drop", metavar="ID", help="take an old key out for good: what is sealed to it stays closed")
    rotate.set_defaults(run=_rotate_keys)

    erase = verbs.add_parser("erase", parents=[configured], help="end what is kept of one person")
    erase.add_argument("--subject", required=True, metavar="TOKEN", help="the person's token, 32 hex digits")
    erase.set_defaults(run=_erase)

    broker = verbs.add_parser("broker", help="the embedded MQTT broker, for one machine only")
    broker.add_argument("--port", type=port_argument, default=1883)
    broker.add_argument("--host", default="127.0.0.1", help="127.0.0.1; anything else is refused")
    broker.set_defaults(run=_broker)

    _add_identity(verbs, configured)

    backup = verbs.add_parser("backup", parents=[configured], help="copy the SQLite database while it is in use")
    backup.add_argument("file", type=Path, help="the copy; must not exist")
    backup.set_defaults(run=_backup)

    restore = verbs.add_parser("restore", parents=[configured], help="put a copy back; the cloud must be stopped")
    restore.add_argument("file", type=Path)
    restore.set_defaults(run=_restore)
    return parser


def _serve(options: argparse.Namespace) -> None:
    settings = read_settings(options.config)  # first: a mistake in it is told at once
    from cloud.app import serve

    serve(settings, migrate=options.migrate)


def _migrate(options: argparse.Namespace) -> None:
    from cloud.storage import schema
    from cloud.storage.engine import create_engine, must_answer

    engine = create_engine(read_settings(options.config).database)
    with must_answer():
        schema.upgrade(engine)
    if options.autogenerate:
        import cloud.wiring  # noqa: F401 - declares every feature's tables

        schema.autogenerate(engine, options.autogenerate)
    engine.dispose()
    print(f"database is at schema {schema.newest()}")


def _rotate_keys(options: argparse.Namespace) -> None:
    from cloud.cli.people import rotate_keys

    rotate_keys(options.config, options.drop, options.list)


def _erase(options: argparse.Namespace) -> None:
    from cloud.cli.people import erase

    erase(options.config, options.subject)


def _broker(options: argparse.Namespace) -> None:
    from cloud.broker.embedded import run_forever

    run_forever(options.port, options.host)


def _add_identity(verbs: Any, configured: argparse.ArgumentParser) -> None:
    claim = verbs.add_parser("claim", parents=[configured], help="a code that enrols one machine once")
    claim.add_argument("machine")
    claim.set_defaults(run=_claim)

    revoke = verbs.add_parser("revoke", parents=[configured], help="a machine was stolen or is gone: shut it out")
    revoke.add_argument("machine")
    revoke.add_argument("--reason", default="revoked by an operator", help="kept with the certificates")
    revoke.set_defaults(run=_revoke)

    files = verbs.add_parser("broker-files", parents=[configured], help="configuration and certificates for a broker")
    files.add_argument("--kind", choices=["mosquitto", "emqx"], required=True)
    files.add_argument("--out", type=Path, required=True, help="folder for the files")
    files.add_argument("--host", action="append", default=[], help="name or address machines use; may be repeated")
    files.add_argument("--install-dir", type=Path, help="where the files will lie on the broker; default: --out")
    files.set_defaults(run=_broker_files)


def _claim(options: argparse.Namespace) -> None:
    from cloud.app.identity import claim

    print(claim(read_settings(options.config), options.machine))


def _revoke(options: argparse.Namespace) -> None:
    from cloud.app.identity import revoke

    print(revoke(read_settings(options.config), options.machine, options.reason))


def _broker_files(options: argparse.Namespace) -> None:
    from cloud.app.identity import broker_files

    settings = read_settings(options.config)
    print(broker_files(settings, options.kind, options.out, options.host, options.install_dir))


def _backup(options: argparse.Namespace) -> None:
    source = _database_file(read_settings(options.config))
    if options.file.exists():
        raise Invalid(f"{options.file}: expected a new file, there is one")
    _copy(source, options.file)
    print(f"{options.file}: {options.file.stat().st_size} bytes")


def _restore(options: argparse.Namespace) -> None:
    target = _database_file(read_settings(options.config), must_exist=False)
    if not options.file.is_file():
        raise Invalid(f"{options.file}: expected a backup file, got none")
    target.parent.mkdir(parents=True, exist_ok=True)
    _set_aside_if_damaged(target)
    _copy(options.file, target)
    print(f"{target}: restored")


def _set_aside_if_damaged(file: Path) -> None:
    """A damaged file cannot be written over, and somebody may still read most of it."""
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file)) as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",):
                return
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise Invalid(f"{file}: {error}; is the cloud stopped?") from error
    mark = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for suffix in ("", "-wal", "-shm"):
        part = file.with_name(file.name + suffix)
        if part.exists():
            part.rename(file.with_name(f"{file.name}.bad-{mark}{suffix}"))
    print(f"{file}: damaged, set aside as {file.name}.bad-{mark}")


def _database_file(settings: CloudSettings, must_exist: bool = True) -> Path:
    from cloud.storage.engine import sqlite_file

    file = sqlite_file(settings.database)
    if file is None:
        raise Invalid("database_url: PostgreSQL is backed up and restored with pg_dump and pg_restore")
    if must_exist and not file.is_file():
        raise Invalid(f"{file}: expected the cloud's database, got no file; is data_dir right?")
    return file


def _copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target, timeout=1)) as written:
        try:
            if read.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise Invalid(f"{source}: the file is damaged; take another copy")
            read.backup(written)
        except sqlite3.Error as error:
            raise Invalid(f"{source} to {target}: {error}; is the cloud stopped?") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
