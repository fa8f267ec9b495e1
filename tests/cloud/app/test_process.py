"""``hallfleet cloud`` as a process: starts, refuses, ends, keeps."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import hallfleet
from cloud.broker.embedded import EmbeddedBroker
from tests.servers.process import accepts_connections, free_port

WITHIN_S = 30.0


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "hallfleet", "cloud", *map(str, words)]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line, in this process: what these tests ask of it ends by itself."""

    def run_here(*words: str | Path) -> Done:
        code = hallfleet.main(["cloud", *map(str, words)])
        return Done(code, *capsys.readouterr())

    return run_here


@contextmanager
def serving(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out, subprocess.Popen(command("serve", "--config", config), stdout=out, stderr=out) as child:
        try:
            yield child
        finally:
            child.kill()


def wait_for(url: str, status: int, log: Path) -> None:
    give_up_at = time.monotonic() + WITHIN_S
    while time.monotonic() < give_up_at:
        try:
            if httpx.get(url, trust_env=False).status_code == status:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    pytest.fail(f"{url} never answered {status}: {log.read_text()[-2000:]}")


@pytest.fixture
def config(tmp_path: Path, free_port: int) -> Path:
    file = tmp_path / "cloud.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\nport = {free_port}\nbroker = "mqtt://127.0.0.1:1"\n')
    return file


def test_the_cloud_serves_and_ends_on_a_signal(tmp_path: Path, embedded_broker: EmbeddedBroker) -> None:
    port, log, file = free_port(), tmp_path / "log.txt", tmp_path / "cloud.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\nport = {port}\nbroker = "{embedded_broker.url}"\n')
    with serving(file, log) as child:
        wait_for(f"http://127.0.0.1:{port}/readyz", 200, log)
        child.send_signal(signal.SIGTERM)
        assert child.wait(WITHIN_S) == 0, log.read_text()
    assert "Traceback" not in log.read_text()
    for secret in ("seal-keys.json", "subject.salt"):
        assert (tmp_path / "data" / secret).stat().st_mode & 0o777 == 0o600


def test_without_a_broker_the_cloud_is_up_but_not_ready(config: Path, tmp_path: Path) -> None:
    port = int(config.read_text().split("port = ")[1].split()[0])
    log = tmp_path / "log.txt"
    with serving(config, log) as child:
        wait_for(f"http://127.0.0.1:{port}/healthz", 200, log)
        wait_for(f"http://127.0.0.1:{port}/readyz", 503, log)
        child.send_signal(signal.SIGTERM)
        assert child.wait(WITHIN_S) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('databse_url = ""', "database_url"),
        ('host = "0.0.0.0"\ndemo = true', "demo"),
        ('staff_token = "t"', "staff_token"),
        ('broker = "mqtt://10.0.0.1"', "expected mqtts:// to another host"),
        ('halls = ["demo-hal"]', "demo-hall"),
        ("port = 0", "port"),
        ('database_url = "mysql://x"', "postgresql://"),
    ],
)
def test_wrong_settings_are_named(run: Run, tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n{line}\n')
    done = run("serve", "--config", file)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(run: Run, tmp_path: Path, embedded_broker: EmbeddedBroker) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\nport = {embedded_broker.port}\n')
    done = run("serve", "--config", file)
    assert (done.returncode, f"127.0.0.1:{embedded_broker.port}: cannot listen" in done.stderr) == (1, True)


@pytest.mark.postgres
def test_an_old_schema_on_postgresql_is_refused_until_migrated(
    run: Run, config: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HALLFLEET_CLOUD_DATABASE_URL", postgres_url)
    refused = run("serve", "--config", config)
    assert (refused.returncode, "hallfleet cloud migrate" in refused.stderr) == (1, True)
    migrated = run("migrate", "--config", config)
    assert (migrated.returncode, "database is at schema" in migrated.stdout) == (0, True)


def test_a_backup_can_be_put_back(run: Run, config: Path, tmp_path: Path) -> None:
    assert run("migrate", "--config", config).returncode == 0
    database, copy = tmp_path / "data" / "hallfleet.db", tmp_path / "copy.db"
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO streams VALUES ('kiosk-1', 1, 7, '[]', 0, 0)")
    connection.close()
    assert run("backup", copy, "--config", config).returncode == 0
    assert run("backup", copy, "--config", config).returncode == 1  # never over another file
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM streams")
    connection.close()
    assert run("restore", copy, "--config", config).returncode == 0
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT contiguous FROM streams").fetchall() == [(7,)]
    connection.close()


def test_the_broker_listens_on_loopback_only_and_ends_with_its_parent(run: Run) -> None:
    refused = run("broker", "--port", "1883", "--host", "0.0.0.0")
    assert (refused.returncode, "127.0.0.1 only" in refused.stderr) == (1, True)
    port = free_port()
    program = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen({command('broker', '--port', str(port))!r})\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as parent:
        until(lambda: accepts_connections(port), "the broker listens")
        parent.kill()
    until(lambda: not accepts_connections(port), "the broker ends with its parent")


def until(condition: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.05)
