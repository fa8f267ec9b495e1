"""What all lines with a file descriptor share: the event loop's own readiness moves the bytes, nothing ever blocks."""

import asyncio
import fcntl
import os
import select
import stat
import sys
import termios

from firmware_bridge.errors import LinkTimeout, TransportLost

READ_SIZE = 4096  # what a terminal gives at once; room for more costs more than a second read
HELD_LIMIT = 64 * 1024  # bytes nobody has read yet; beyond it the kernel holds them back
STALL_S = 2.0

_PTY_MAJORS = range(136, 144)  # Linux device numbers: Unix98 pseudo-terminal slaves


class DescriptorTransport:
    """A Transport over a non-blocking descriptor; a subclass takes the line in ``_acquire``, lets go in ``_release``.

    ``name`` stands in every error. ``stall_s``: how long the system may refuse bytes beyond the time that the line
    itself needs for them.
    """

    def __init__(self, name: str, stall_s: float = STALL_S) -> None:
        self.turn = asyncio.Lock()
        self._name = name
        self._stall_s = stall_s
        self._fd = -1
        self._lost = "not open: call open() first"
        self._received = b""
        self._reading = False
        self._count = bytearray(4)
        self._drained = False  # discard_input() has just looked: the next read() need not ask the system again
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # --- what a kind of line is asked for ---------------------------------------------------------------------

    async def _acquire(self) -> int:
        """Take the line and return its non-blocking descriptor; raises TransportLost and then holds nothing."""
        raise NotImplementedError

    def _release(self, fd: int) -> None:
        """Close what ``_acquire`` opened."""
        raise NotImplementedError

    def _arrived(self, data: bytes) -> None:
        """Put the payload of what was read into ``_received``."""
        self._received += data

    def _abandon(self) -> None:
        """Part of a frame could not be written: it must not run into the next one."""
        termios.tcflush(self._fd, termios.TCOFLUSH)

    def _wire_s(self, count: int) -> float:
        """How long the line itself needs for ``count`` bytes."""
        return 0.0

    # --- the Transport ----------------------------------------------------------------------------------------

    async def open(self) -> None:
        await self.close()
        self._fd = await self._acquire()
        self._lost = ""
        self._received = b""
        self._loop = asyncio.get_running_loop()
        self._listen(True)

    async def write(self, data: bytes) -> None:
        if (sent := self._push(data)) < len(data):
            await self._write_rest(data, sent)

    async def _write_rest(self, data: bytes, sent: int) -> None:
        rest = memoryview(data)[sent:]
        limit_s = self._stall_s + self._wire_s(len(rest))
        try:
            async with asyncio.timeout(limit_s):
                while rest:
                    await self._writable()
                    rest = rest[self._push(rest) :]
        except asyncio.CancelledError:
            if not self._lost:
                self._abandon()
            raise
        except TimeoutError:
            self._abandon()
            raise LinkTimeout(
                f"{self._name}: expected the line to take {len(data)} bytes, {len(rest)} were still waiting after "
                f"{limit_s:.1f} s; is hardware flow control wired, is the device switched on?"
            ) from None

    async def read(self) -> bytes:
        if not self._received and not self._lost and not self._drained and self._waiting():
            self._pull()
        self._drained = False
        while not self._received:
            self._check()
            self._reader = arrival = self._running_loop().create_future()
            try:
                await arrival
            finally:
                self._reader = None
        return self._take()

    def discard_input(self) -> int:
        while not self._lost and self._waiting():
            self._pull()
        self._check()
        self._drained = True
        return len(self._take()) if self._received else 0

    async def close(self) -> None:
        if self._fd < 0:
            return
        self._lose("closed")
        fd, self._fd = self._fd, -1
        self._release(fd)

    # --- inside -----------------------------------------------------------------------------------------------

    def _take(self) -> bytes:
        data, self._received = self._received, b""
        if not self._reading and not self._lost:
            self._listen(True)
        return data

    def _listen(self, wanted: bool) -> None:
        if wanted == self._reading:
            return
        self._reading = wanted
        if wanted:
            self._running_loop().add_reader(self._fd, self._on_readable)
        else:
            self._running_loop().remove_reader(self._fd)

    def _on_readable(self) -> None:
        self._pull()
        if len(self._received) >= HELD_LIMIT:
            self._listen(False)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _waiting(self) -> int:
        """How many bytes the system holds, or whether it does; asking is cheaper than a read that finds nothing."""
        try:
            fcntl.ioctl(self._fd, termios.FIONREAD, self._count)
        except OSError as error:
            self._lose(error.strerror or str(error))
            return 0
        return int.from_bytes(self._count, sys.byteorder)

    def _pull(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if data:
            self._arrived(data)
        else:
            self._lose("end of file")

    def _push(self, data: bytes | memoryview) -> int:
        self._check()
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(error.strerror or str(error))
            raise self._gone() from error

    async def _writable(self) -> None:
        loop = self._running_loop()
        self._writer = ready = loop.create_future()
        loop.add_writer(self._fd, settle, ready)
        try:
            await ready
        finally:
            self._writer = None
            if not self._lost:  # else _lose() has removed it, and the number may be somebody else's by now
                loop.remove_writer(self._fd)

    def _lose(self, reason: str) -> None:
        """The line is gone: stop listening, so that no callback spins on it, and wake who waits."""
        self._lost = self._lost or reason
        self._listen(False)
        if self._writer is not None:
            self._running_loop().remove_writer(self._fd)
        for waiter in (self._reader, self._writer):
            if waiter is not None:
                settle(waiter)

    def _check(self) -> None:
        if self._lost:
            raise self._gone()

    def _gone(self) -> TransportLost:
        return TransportLost(f"{self._name}: the line is gone ({self._lost}); open it again when the device is back")

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop or asyncio.get_running_loop()


def settle(waiter: asyncio.Future[None]) -> None:
    """Wake who waits, unless somebody has already."""
    if not waiter.done():
        waiter.set_result(None)


def is_readable(fd: int) -> bool:
    """Whether a read gives something now, for nodes that do not count their bytes (FIONREAD): hidraw, evdev, GPIO."""
    return bool(select.select([fd], [], [], 0)[0])


def is_pty(fd: int) -> bool:
    """Whether a simulated device sits behind this descriptor: a pseudo-terminal lacks what a kernel device has."""
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _PTY_MAJORS


def lock(fd: int) -> None:
    """Keep other programs that ask first away; raises BlockingIOError when one of them has the device."""
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
