"""Child processes: started with a log of their own, ended in reverse order, never left behind."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h: the signal a child gets when its parent dies
STOP_GRACE_S = 5.0


class ProcessEnded(Exception):
    """A child ended before it was told to; the message carries the end of its log."""


@dataclass
class Child:
    """One running process of the hall and the arguments to start it again."""

    name: str
    argv: Sequence[str]
    log_path: Path
    process: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.returncode is None

    def log_tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])


@dataclass
class Supervisor:
    """Starts, kills, restarts and stops the processes of one hall."""

    log_dir: Path
    children: dict[str, Child] = field(default_factory=dict)

    async def start(self, name: str, *arguments: str) -> Child:
        """Start ``hallfleet`` with ``arguments`` under ``name``."""
        argv = (sys.executable, "-m", "hallfleet", *arguments)
        self.children[name] = child = await self._spawn(name, argv)
        return child

    async def restart(self, name: str) -> Child:
        """Start a child that has ended again, with the same arguments, appending to the same log."""
        self.children[name] = child = await self._spawn(name, self.children[name].argv)
        return child

    async def kill(self, name: str) -> None:
        """End a child with SIGKILL, as a power cut would."""
        child = self.children[name]
        child.process.kill()
        await child.process.wait()

    async def stop(self) -> None:
        """End every child, the last started first: SIGTERM, then SIGKILL for what does not listen."""
        running = [child for child in reversed(self.children.values()) if child.running]
        for child in running:
            child.process.terminate()
        waits = [asyncio.create_task(child.process.wait()) for child in running]
        if waits:
            await asyncio.wait(waits, timeout=STOP_GRACE_S)
        for child in running:
            if child.running:
                child.process.kill()
        for wait in waits:
            await wait

    def check_alive(self) -> None:
        """Raise ProcessEnded when a child has ended by itself."""
        for child in self.children.values():
            if not child.running:
                code = child.process.returncode
                raise ProcessEnded(f"{child.name} ended with code {code}; log {child.log_path}:\n{child.log_tail()}")

    async def _spawn(self, name: str, argv: Sequence[str]) -> Child:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        log_path = self.log_dir / f"{name}.log"
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        return Child(name, argv, log_path, process)


def _die_with_parent() -> None:
    """Runs in the child before exec, so that even a killed supervisor leaves nothing behind."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
