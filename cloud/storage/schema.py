"""Bringing a database's tables to this version, and telling when they are not."""

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cloud.core.errors import SchemaMismatch, Unavailable
from cloud.storage.metadata import metadata

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: sa.Engine) -> None:
    """Run the migrations that this database has not seen, in one transaction. Raises Unavailable for a damaged file."""
    check_file(engine)
    with engine.begin() as connection:
        command.upgrade(_config(connection), "head")


def check_file(engine: sa.Engine) -> None:
    """Read an SQLite file through. Raises Unavailable when it is damaged: who writes on would spread it."""
    if engine.dialect.name != "sqlite":
        return
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    except sa.exc.DatabaseError as error:
        if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        found = str(error.orig)
    if found != "ok":
        raise Unavailable(
            f"{engine.url.database}: expected a sound database, it is damaged: {str(found).splitlines()[-1]}; put a "
            "backup back with `hallfleet cloud restore FILE`: the machines tell again what they still have"
        )


def check(engine: sa.Engine) -> None:
    """Raises SchemaMismatch when the database is not at this version."""
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    wanted = newest()
    if present != wanted:
        raise SchemaMismatch(
            f"database: expected schema {wanted}, got {present or 'none'}; "
            "run `hallfleet cloud migrate` first, or start with `hallfleet cloud serve --migrate`"
        )


def newest() -> str | None:
    """The revision that this version of the program needs."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


def differences(engine: sa.Engine) -> list[object]:
    """What the tables in the code and in the database differ in; empty when nothing."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def autogenerate(engine: sa.Engine, name: str) -> None:
    """For developers: write a migration with the differences between the code and this (migrated) database.

    Format it afterwards (`make format`), read it, and delete what Alembic guessed wrong.
    """
    number = len(list(ScriptDirectory(str(MIGRATIONS)).walk_revisions())) + 1
    with engine.begin() as connection:
        command.revision(_config(connection), message=name, autogenerate=True, rev_id=f"{number:04}")


def _config(connection: sa.Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config
