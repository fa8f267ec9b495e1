"""Two pseudo-terminals with a wire between them: for two programs that both open a serial port."""

import asyncio
import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pty_bridge() -> Iterator[tuple[str, str]]:
    """The paths of both ends; what one writes the other reads. Needs a running event loop."""
    loop = asyncio.get_running_loop()
    ends = [os.openpty(), os.openpty()]
    for master, slave in ends:
        tty.setraw(slave)
        os.set_blocking(master, False)
    (one, _), (other, _) = ends
    loop.add_reader(one, _carry, one, other)
    loop.add_reader(other, _carry, other, one)
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        for master, slave in ends:
            loop.remove_reader(master)
            os.close(master)
            os.close(slave)


def _carry(source: int, target: int) -> None:
    os.write(target, os.read(source, 4096))  # a test's messages are far shorter than the kernel's queue
