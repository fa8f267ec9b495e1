"""``status`` of every driver over a pty, beside the bare loop that moves the same bytes, in one run.

The conversation is recorded once between driver and simulated device, without time. Then a child process plays the
device's side of it: no device thinks while the clock runs, and a driver that gives one time to think does not wait.
Goal: at most twice the processor time of the bare loop.
"""

import asyncio
import os
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import groupby

from device_profiles.catalog import load_catalog
from firmware_bridge.clock import SystemClock
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import BridgeError
from firmware_bridge.registry import load_driver
from firmware_bridge.transports._descriptor import READ_SIZE
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from firmware_bridge.transports.serial import SerialTransport
from simulators.peripherals import build_peer
from simulators.peripherals.peer import Output, Peer

STATUSES, WARM_UP, ROUNDS = 50, 50, 40  # rounds so short that some run undisturbed, in turns


@dataclass
class Tape:
    """A device that writes down what goes either way: (from the host?, bytes)."""

    peer: Peer
    steps: list[tuple[bool, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.buttons = self.peer.buttons
        self.snapshot = self.peer.snapshot

    def receive(self, data: bytes, now: float) -> Output:
        self.steps.append((True, data))
        return self._heard(self.peer.receive(data, now))

    def advance(self, now: float) -> Output:
        return self._heard(self.peer.advance(now))

    def _heard(self, output: Output) -> Output:
        self.steps += [(False, data) for _, data in sorted(output, key=lambda said: said[0])]
        return output


Exchange = tuple[tuple[bytes, ...], bytes]
"""What the host writes, one by one, and what the device says to it."""


@dataclass(frozen=True)
class Conversation:
    """Exchanges of ``identify``, and of each ``status`` that follows it."""

    identify: list[Exchange]
    statuses: list[list[Exchange]]

    @property
    def per_status(self) -> list[Exchange]:
        return self.statuses[-1]


class _Memory(MemoryTransport):
    """A line in memory that, like a serial one, has a speed: a driver must not find another kind of line later."""

    def set_baud(self, baud: int) -> None:
        """See ``AdjustableSpeed``; memory is as fast as it is."""


class _NoPauses(SystemClock):
    """The real time, but the pauses that a driver makes while its device works are left out, like the work."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


async def _recorded(profile_id: str) -> Conversation:
    profile = load_catalog().peripheral(profile_id)
    tape = Tape(build_peer(profile, seed=1, shared={}))
    clock = VirtualClock()
    line = _Memory(tape, clock)
    await line.open()
    driver = load_driver(profile, line, clock)
    parts = []
    for call in (driver.identify, *[driver.status] * (WARM_UP + STATUSES * ROUNDS)):
        await call()
        parts.append(_exchanges(tape.steps))
        tape.steps = []
    return Conversation(parts[0], parts[1:])


def _exchanges(steps: list[tuple[bool, bytes]]) -> list[Exchange]:
    runs = [(host, [data for _, data in run]) for host, run in groupby(steps, key=lambda step: step[0])]
    if runs and not runs[0][0]:
        runs.insert(0, (True, []))
    if len(runs) % 2:
        runs.append((False, []))
    return [(tuple(runs[at][1]), b"".join(runs[at + 1][1])) for at in range(0, len(runs), 2)]


@contextmanager
def _device(exchanges: list[Exchange]) -> Iterator[str]:
    """The path of a port whose device answers by heart: so many bytes heard, these said."""
    master, slave = os.openpty()
    tty.setraw(slave)
    device = os.fork()
    if device == 0:
        try:
            for said, answer in exchanges:
                left = sum(map(len, said))
                while left:
                    left -= len(os.read(master, left))
                if answer:
                    os.write(master, answer)
            os.read(master, 1)  # until the cable is pulled
        finally:
            os._exit(0)
    try:
        yield os.ttyname(slave)
    finally:
        os.kill(device, 9)
        os.waitpid(device, 0)
        os.close(master)
        os.close(slave)


@dataclass(frozen=True)
class Round:
    """Seconds of every status, and processor seconds per status."""

    took_s: list[float]
    processor_s: float


async def _round(status: Callable[[], Awaitable[object]], count: int) -> Round:
    took: list[float] = []
    processor = time.process_time()
    for _ in range(count):
        started = time.perf_counter()
        await status()
        took.append(time.perf_counter() - started)
    return Round(took, (time.process_time() - processor) / count)


@asynccontextmanager
async def _driver(profile_id: str, talk: Conversation) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    profile = load_catalog().peripheral(profile_id)
    with _device([*talk.identify, *(exchange for status in talk.statuses for exchange in status)]) as path:
        transport = SerialTransport(path, profile.line)
        await transport.open()
        try:
            driver: Driver = load_driver(profile, transport, _NoPauses())
            await driver.identify()
            yield driver.status
        finally:
            await transport.close()


@asynccontextmanager
async def _bare(talk: Conversation) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    exchanges = talk.per_status
    with _device(exchanges * len(talk.statuses)) as path:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        line = _Bare(fd)
        loop = asyncio.get_running_loop()
        loop.add_reader(fd, line.readable)

        async def status() -> None:
            for said, answer in exchanges:
                await line.exchange(said, len(answer))

        try:
            yield status
        finally:
            loop.remove_reader(fd)
            os.close(fd)


class _Bare:
    """``os.read`` on the loop's readiness, and nothing else."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._missing = 0
        self._done: asyncio.Future[None] | None = None

    async def exchange(self, said: tuple[bytes, ...], count: int) -> None:
        for data in said:
            os.write(self._fd, data)
        self._missing += count
        if self._missing > 0:
            self._done = asyncio.get_running_loop().create_future()
            await self._done

    def readable(self) -> None:
        self._missing -= len(os.read(self._fd, READ_SIZE))
        if self._missing <= 0 and self._done is not None and not self._done.done():
            self._done.set_result(None)


async def _compared(profile_id: str) -> dict[str, object]:
    talk = await _recorded(profile_id)
    if not any(answer for _, answer in talk.per_status):
        return {"skipped": "its status moves no bytes"}
    driver, bare = [], []
    async with _driver(profile_id, talk) as ours, _bare(talk) as theirs:
        for status in (ours, theirs):
            await _round(status, WARM_UP)
        for _ in range(ROUNDS):
            driver.append(await _round(ours, STATUSES))
            bare.append(await _round(theirs, STATUSES))
    # On a shared machine all noise makes a round slower, never faster: the least disturbed one counts.
    cost, least = min(round_.processor_s for round_ in driver), min(round_.processor_s for round_ in bare)
    return {
        "exchanges": len(talk.per_status),
        "bytes": sum(len(answer) + sum(map(len, said)) for said, answer in talk.per_status),
        **_quantiles("", driver),
        **_quantiles("bare ", bare),
        "cpu us": round(cost * 1e6, 1),
        "bare cpu us": round(least * 1e6, 1),
        "times bare (goal 2)": round(cost / least, 2),
    }


def _quantiles(name: str, rounds: list[Round]) -> dict[str, object]:
    took = sorted(second for round_ in rounds for second in round_.took_s)
    return {
        f"{name}p50 us": round(took[len(took) // 2] * 1e6),
        f"{name}p99 us": round(took[len(took) * 99 // 100] * 1e6),
    }


async def _all() -> dict[str, object]:
    figures: dict[str, object] = {}
    for profile_id in sorted(load_catalog().peripherals):
        try:
            async with asyncio.timeout(60):
                figures[profile_id] = await _compared(profile_id)
        except (BridgeError, TimeoutError) as error:
            figures[profile_id] = {"failed": f"{type(error).__name__}: {error}"}
    return figures


def measure() -> dict[str, object]:
    """For every profile: round trip and processor time of ``status``, and the bare loop's with the same bytes."""
    return asyncio.run(_all())
