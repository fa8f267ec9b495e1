"""One request over a pty through the link, beside bare ``os.read`` on the loop's readiness in the same run.

Goal: a request costs at most twice the processor time of the bare loop.
"""

import asyncio
import os
import time
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from device_profiles.capabilities.model import Effect
from device_profiles.schema.peripheral import Line
from firmware_bridge.clock import SystemClock
from firmware_bridge.framing.buffer import NEED_MORE, Found, FrameBuffer, frame
from firmware_bridge.link import Link
from firmware_bridge.transports.serial import SerialTransport

FRAME = b"0123456789ABCDEF"
REQUESTS, ROUNDS = 2000, 10


class _Sixteen:
    """A protocol of frames of 16 bytes."""

    def __init__(self) -> None:
        self._buffer = FrameBuffer(_find, len(FRAME))

    @property
    def discarded(self) -> int:
        return self._buffer.discarded

    def feed(self, data: bytes) -> None:
        self._buffer.feed(data)

    def next_reply(self) -> bytes | None:
        return self._buffer.next()

    def reset(self) -> None:
        self._buffer.reset()


def _find(pending: bytes) -> Found:
    return frame(len(FRAME)) if len(pending) >= len(FRAME) else NEED_MORE


@contextmanager
def _echo() -> Iterator[str]:
    """The path of a serial port whose device is a process that says everything back."""
    master, slave = os.openpty()
    tty.setraw(slave)
    device = os.fork()
    if device == 0:
        try:
            while data := os.read(master, 4096):
                os.write(master, data)
        finally:
            os._exit(0)
    try:
        yield os.ttyname(slave)
    finally:
        os.kill(device, 9)
        os.waitpid(device, 0)
        os.close(master)
        os.close(slave)


async def _timed(once: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Round trip and processor time of one request, microseconds."""
    wall, processor = time.perf_counter(), time.process_time()
    for _ in range(REQUESTS):
        await once()
    return (time.perf_counter() - wall) / REQUESTS * 1e6, (time.process_time() - processor) / REQUESTS * 1e6


async def _through_link(path: str) -> tuple[float, float]:
    transport = SerialTransport(path, Line(baud=115200))
    await transport.open()
    link = Link(transport, _Sixteen(), SystemClock(), reply_s=5, attempts=1)
    try:
        return await _timed(lambda: link.request(FRAME, effect=Effect.READ, accept=lambda _reply: True))
    finally:
        await transport.close()


async def _bare(path: str) -> tuple[float, float]:
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[bytes]] = []
    loop.add_reader(fd, lambda: waiting.pop().set_result(os.read(fd, 4096)))

    def once() -> Awaitable[bytes]:
        answer: asyncio.Future[bytes] = loop.create_future()
        waiting.append(answer)
        os.write(fd, FRAME)
        return answer

    try:
        return await _timed(once)
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def _alternately() -> dict[str, object]:
    with _echo() as path:
        link, bare = [], []
        for _ in range(ROUNDS):
            link.append(await _through_link(path))
            bare.append(await _bare(path))
    (link_us, link_cpu), (bare_us, bare_cpu) = map(_least_disturbed, (link, bare))
    return {
        "round trip us": round(link_us),
        "bare round trip us": round(bare_us),
        "processor us": round(link_cpu),
        "bare processor us": round(bare_cpu),
        "processor, times bare (goal 2)": round(link_cpu / bare_cpu, 2),
    }


def _least_disturbed(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """The smallest of each: on a shared machine all noise makes a round slower, never faster."""
    return min(wall for wall, _ in rounds), min(processor for _, processor in rounds)


def measure() -> dict[str, object]:
    """The best of ``ROUNDS`` rounds of ``REQUESTS`` requests of 16 bytes, alternating."""
    return asyncio.run(_alternately())
