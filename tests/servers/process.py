"""One server process: started in its own folder, ready when it answers, ended by its pid whatever happens.

As root the server runs as an unprivileged user: PostgreSQL refuses anything else, the others need no more.
On Linux the kernel ends it with the thread that started it, so even a killed test run leaves nothing behind.
"""

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
READY_WITHIN_S = 30.0
STOP_WITHIN_S = 10.0
POLL_S = 0.01
UNPRIVILEGED_USERS = ("postgres", "nobody")


class ServerFailed(Exception):
    """The server ended or did not answer in time; the message carries the end of its log."""


def free_port() -> int:
    """A TCP port on loopback that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """True when something listens on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def server_folder(name: str) -> Iterator[Path]:
    """A temporary folder that the server's user owns and that is gone afterwards.

    Not pytest's tmp_path: its parents are closed to other users.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"hallfleet-{name}-"))
    try:
        if account := _account():
            os.chown(folder, account.pw_uid, account.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder)


def give_to_server(folder: Path) -> None:
    """Hand everything in `folder` to the server's user."""
    if account := _account():
        for path in folder.rglob("*"):
            os.chown(path, account.pw_uid, account.pw_gid)


def run_once(argv: Sequence[str | Path], folder: Path) -> None:
    """Run a set-up step (initdb) as the server's user, to its end."""
    done = subprocess.run(
        [*_as_server_user("KILL"), *map(str, argv)],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(f"{argv[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')}")


@dataclass
class Server:
    """A server that can be stopped, killed and started again on the same port and folder."""

    name: str
    argv: Sequence[str | Path]
    folder: Path
    is_ready: Callable[[], bool]
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailed(f"{self.name} is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches only pytest, which ends the servers after the tests.
            self._process = subprocess.Popen(
                [*_as_server_user(self.stop_signal.name.removeprefix("SIG")), *map(str, self.argv)],
                cwd=self.folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        atexit.register(self.kill)
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """End it the orderly way, as an operator would."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.kill)
        process.send_signal(how)
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise ServerFailed(f"{self.name} did not stop within {STOP_WITHIN_S} s: {self._log_end()}") from None

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        give_up_at = time.monotonic() + READY_WITHIN_S
        while not self.is_ready():
            if process.poll() is not None:
                raise ServerFailed(f"{self.name} ended with {process.returncode}: {self._log_end()}")
            if time.monotonic() > give_up_at:
                self.kill()
                raise ServerFailed(f"{self.name} did not answer within {READY_WITHIN_S} s: {self._log_end()}")
            time.sleep(POLL_S)

    def _log_end(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server for as long as the block lasts."""
    server.start()
    try:
        yield server
    finally:
        server.stop()


def server_user() -> str:
    """The user as whom the servers run."""
    account = _account()
    return account.pw_name if account else pwd.getpwuid(os.geteuid()).pw_name


def _account() -> pwd.struct_passwd | None:
    """The unprivileged user that root's servers run as; nobody else can change users."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    for name in UNPRIVILEGED_USERS:
        if name in known:
            return known[name]
    raise ServerFailed(f"as root the servers need one of these users: {', '.join(UNPRIVILEGED_USERS)}")


def _as_server_user(death_signal: str) -> list[str]:
    """A prefix that changes the user and ties the server's life to ours; it execs, so the pid stays."""
    setpriv, account = shutil.which("setpriv"), _account()
    if setpriv is None:
        if account is not None:
            raise ServerFailed("as root the servers need setpriv (util-linux) to run as another user")
        return []  # not Linux: the exit handler is what ends the server
    # The signal comes last: a change of user clears it.
    who = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"] if account else []
    return [setpriv, *who, f"--pdeathsig={death_signal}", "--"]


def _environment() -> dict[str, str]:
    # Nothing of the developer's machine gets in: no PG* variables, no locale, no proxies.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
