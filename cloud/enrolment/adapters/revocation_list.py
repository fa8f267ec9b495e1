"""The revocation list as a file beside the broker, and how the broker is told to read it."""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cloud.core.errors import Unavailable

log = logging.getLogger(__name__)

COMMAND_WITHIN_S = 20.0
READABLE_BY_ALL = 0o644  # the broker runs as another user; a revocation list is no secret


class RevocationFile:
    """The file; always whole, since it is replaced and never written into."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> bytes | None:
        """What is there, None when nothing is."""
        with suppress(FileNotFoundError):
            return self.path.read_bytes()
        return None

    def write(self, pem: bytes) -> None:
        """Replace it. Raises Unavailable."""
        new = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, READABLE_BY_ALL), "wb") as written:
                os.fchmod(written.fileno(), READABLE_BY_ALL)
                written.write(pem)
                written.flush()
                os.fsync(written.fileno())
            new.replace(self.path)
        except OSError as error:
            raise Unavailable(f"broker_crl_file {self.path}: cannot be written: {error.strerror}") from error


class Reload:
    """Makes the broker read the list: a command without a shell, or SIGHUP to the process of a pid file, or neither
    (then something else watches the file).
    """

    def __init__(self, command: Sequence[str] = (), pid_file: Path | None = None) -> None:
        self._command = command
        self._pid_file = pid_file

    async def run(self) -> None:
        """Do it. Raises Unavailable with what went wrong."""
        if self._pid_file is not None:
            _hang_up(self._pid_file)
        if self._command:
            await _call(self._command)


def _hang_up(pid_file: Path) -> None:
    try:
        os.kill(int(pid_file.read_text("ascii").strip()), signal.SIGHUP)
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"broker_pid_file {pid_file}: expected the pid of a broker that we may signal: {error}"
        ) from None


async def _call(command: Sequence[str]) -> None:
    nothing = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nothing, stdout=nothing, stderr=asyncio.subprocess.PIPE
        )
    except OSError as error:
        raise Unavailable(f"broker_reload_command {command[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(COMMAND_WITHIN_S):
            _, told = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Unavailable(f"broker_reload_command {command[0]}: not done within {COMMAND_WITHIN_S:g} s") from None
    if process.returncode:
        words = told.decode(errors="replace").strip()[-200:]
        raise Unavailable(f"broker_reload_command {command[0]}: ended with {process.returncode}: {words}")
