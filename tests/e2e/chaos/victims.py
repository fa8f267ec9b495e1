"""What can be hurt: processes, disks and cables; each can be hurt and is well again afterwards."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SMALL_FILE = 64 * 1024  # a process under this limit writes nothing of use: its disk is full
STOP_S = 10.0


@dataclass
class Victim:
    """A child process that is started again when it has ended, as a service manager does."""

    name: str
    argv: Sequence[str]
    log: Path
    deaths: int = 0
    process: asyncio.subprocess.Process | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *self.argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int | None:
        """Its process id, None when it does not run."""
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def ensure(self) -> None:
        """Start it again when it has ended by itself."""
        if self.pid is None and not self.turn.locked():
            async with self.turn:
                self.deaths += 1
                await self.start()

    async def kill(self, away_s: float) -> None:
        """SIGKILL, and a start after a while."""
        async with self.turn:
            if self.process is not None and self.pid is not None:
                self.process.kill()
                await self.process.wait()
            await asyncio.sleep(away_s)
            await self.start()

    async def freeze(self, away_s: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        async with self.turn:
            if (pid := self.pid) is not None:
                os.kill(pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(away_s)
                finally:
                    os.kill(pid, signal.SIGCONT)

    async def fill_disk(self, away_s: float) -> None:
        """Its files take nothing, and take everything after a while."""
        async with self.turn:
            if (pid := self.pid) is not None:
                whole = resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL_FILE, resource.RLIM_INFINITY))
                try:
                    await asyncio.sleep(away_s)
                finally:
                    with suppress(ProcessLookupError):  # it has ended, since it cannot write: it is started again
                        resource.prlimit(pid, resource.RLIMIT_FSIZE, whole)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not listen."""
        if self.process is None or self.pid is None:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


@asynccontextmanager
async def alive(victims: Sequence[Victim]) -> AsyncIterator[None]:
    """Keep them running for as long as the block lasts, and end them after it."""

    async def keep() -> None:
        while True:
            for victim in victims:
                await victim.ensure()
            await asyncio.sleep(0.2)

    for victim in victims:
        await victim.start()
    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await asyncio.gather(*(victim.stop() for victim in victims))
