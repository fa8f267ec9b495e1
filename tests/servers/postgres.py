"""A PostgreSQL cluster of its own in a temporary folder, with a new database for every test."""

import itertools
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.parts import find_program
from tests.servers.process import HOST, Server, free_port, run_once, running, server_folder

USER = "hallfleet"
TEMPLATE = "template1"


@dataclass(frozen=True)
class Cluster:
    """A running cluster: URLs for SQLAlchemy, databases for tests, the process for tests that end it."""

    port: int
    password: str
    process: Server
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def url(self, database: str = "postgres") -> str:
        """What SQLAlchemy connects to."""
        return f"postgresql+psycopg://{USER}:{self.password}@{HOST}:{self.port}/{database}"

    @contextmanager
    def fresh_database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The URL of a new database, dropped afterwards even when a connection to it is still open.

        A `template` that is already migrated makes a database with tables as cheap as an empty one.
        """
        name = f"test_{next(self._numbers)}"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        try:
            yield self.url(name)
        finally:
            self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def _run(self, statement: sql.Composed) -> None:
        with _connect(self.port, self.password) as connection:
            connection.execute(statement)


@contextmanager
def serve(*, fsync: bool = True, settings: dict[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster of its own; `fsync=False` trades durability for speed where no test ends the server."""
    postgres, initdb = find_program("postgres", "postgres"), find_program("postgres", "initdb")
    port, password = free_port(), secrets.token_hex(16)
    with server_folder("postgres") as folder:
        _create_cluster(initdb, folder, password)
        options = {"fsync": "on" if fsync else "off", "synchronous_commit": "on" if fsync else "off"}
        process = Server(
            name="postgres",
            argv=[postgres, "-D", folder / "data", *_arguments(port, folder, options | (settings or {}))],
            folder=folder,
            is_ready=lambda: _answers(port, password),
            stop_signal=signal.SIGINT,  # PostgreSQL's "fast": does not wait for clients to leave
        )
        with running(process):
            yield Cluster(port, password, process)


def _create_cluster(initdb: Path, folder: Path, password: str) -> None:
    # The socket lies in the closed folder, so "trust" lets in nobody else; TCP asks for the password.
    secret = folder / "password.txt"
    secret.touch(mode=0o644)  # for the server's user; the folder itself is closed to all others
    secret.write_text(password)
    run_once(
        [initdb, "-D", folder / "data", "-U", USER, f"--pwfile={secret}", "--auth-local=trust",
         "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
        folder,
    )  # fmt: skip


def _arguments(port: int, folder: Path, settings: dict[str, str]) -> list[str]:
    fixed = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": str(folder),
        "timezone": "UTC",
    }
    return [word for key, value in (fixed | settings).items() for word in ("-c", f"{key}={value}")]


def _answers(port: int, password: str) -> bool:
    try:
        with _connect(port, password) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False  # not up yet; the caller's deadline decides when that is a failure


def _connect(port: int, password: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=HOST,
        port=port,
        user=USER,
        password=password,
        dbname="postgres",
        autocommit=True,
        connect_timeout=5,
    )
