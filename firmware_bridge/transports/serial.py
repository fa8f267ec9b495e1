"""A serial line on Linux: pyserial opens and configures, the event loop's readiness moves the bytes.

Reading and writing do not go through pyserial: its calls block, and its asyncio wrapper spins after a partial write.
"""

import asyncio
import fcntl
import os
import stat
import termios

import serial

from device_profiles.schema.peripheral import Line, PeripheralProfile
from firmware_bridge.errors import LinkTimeout, TransportLost

READ_SIZE = 64 * 1024
HELD_LIMIT = 64 * 1024  # bytes nobody has read yet; beyond it the kernel holds them back
STALL_S = 2.0

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}
_PTY_MAJORS = range(136, 144)  # Linux device numbers: Unix98 pseudo-terminal slaves


class SerialTransport:
    """One serial device, taken exclusively. ``path`` may be a symlink; bytes from before ``open`` are dropped.

    ``stall_s``: how long the system may refuse bytes beyond the time that the line itself needs for them.
    """

    def __init__(self, path: str, line: Line, stall_s: float = STALL_S) -> None:
        self.turn = asyncio.Lock()
        self._path = path
        self._line = line
        self._stall_s = stall_s
        self._port: serial.Serial | None = None
        self._fd = -1
        self._lost = "not open: call open() first"
        self._received = bytearray()
        self._reading = False
        self._reader: asyncio.Future[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        await self.close()
        self._port = _open_port(self._path, self._line)
        self._fd = self._port.fileno()
        self._lost = ""
        self._received.clear()
        self._loop = asyncio.get_running_loop()
        self._listen(True)

    async def write(self, data: bytes) -> None:
        self._check()
        rest = memoryview(data)
        rest = rest[self._push(rest) :]
        if not rest:
            return
        limit_s = self._stall_s + len(rest) * self._bits_per_byte() / self._line.baud
        try:
            async with asyncio.timeout(limit_s):
                while rest:
                    await self._writable()
                    rest = rest[self._push(rest) :]
        except TimeoutError:
            termios.tcflush(self._fd, termios.TCOFLUSH)  # half a frame must not run into the next one
            raise LinkTimeout(
                f"{self._path}: expected the line to take {len(data)} bytes, {len(rest)} were still waiting after "
                f"{limit_s:.1f} s; is hardware flow control wired, is the device switched on?"
            ) from None

    async def read(self) -> bytes:
        if not self._received and not self._lost:
            self._pull()
        while not self._received:
            self._check()
            self._reader = self._running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._take()

    def discard_input(self) -> int:
        if not self._lost:
            self._pull()
        self._check()
        return len(self._take()) if self._received else 0

    async def close(self) -> None:
        if self._port is None:
            return
        self._lose("closed")
        port, self._port, self._fd = self._port, None, -1
        port.close()

    def _take(self) -> bytes:
        data = bytes(self._received)
        self._received.clear()
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

    def _pull(self) -> None:
        try:
            data = os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error.strerror or str(error))
            return
        if data:
            self._received += data
        else:
            self._lose("end of file")

    def _push(self, data: memoryview) -> int:
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
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_writer(self._fd, _settle, ready)
        try:
            await ready
        finally:
            loop.remove_writer(self._fd)

    def _lose(self, reason: str) -> None:
        """The line is gone: stop listening, so that no callback spins on it, and wake who waits."""
        self._lost = self._lost or reason
        self._listen(False)
        if self._reader is not None:
            _settle(self._reader)

    def _check(self) -> None:
        if self._lost:
            raise self._gone()

    def _gone(self) -> TransportLost:
        return TransportLost(f"{self._path}: the line is gone ({self._lost}); open it again when the device is back")

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop or asyncio.get_running_loop()

    def _bits_per_byte(self) -> int:
        return 2 + self._line.data_bits + self._line.stop_bits


def open_transport(profile: PeripheralProfile, address: str) -> SerialTransport:
    """The serial device at the path ``address``, set up as ``profile`` says; not open yet."""
    return SerialTransport(address, profile.line)


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _open_port(path: str, line: Line) -> serial.Serial:
    port = serial.Serial(
        port=None,
        baudrate=line.baud,
        bytesize=line.data_bits,
        parity=_PARITY[line.parity],
        stopbits=line.stop_bits,
        timeout=0,
        exclusive=True,
    )
    port.port = path
    if line.dtr is not None:
        port.dtr = line.dtr
    if line.rts is not None:
        port.rts = line.rts
    try:
        port.open()
        _finish_setup(port.fileno(), line)
    except (OSError, ValueError, termios.error) as error:
        port.close()
        raise TransportLost(f"{path}: expected a serial device that nobody else uses, got: {error}") from error
    return port


def _finish_setup(fd: int, line: Line) -> None:
    """What pyserial leaves out: exclusive for everybody, breaks and parity marks off, an empty read means hang-up."""
    os.set_blocking(fd, False)
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~(termios.BRKINT | termios.PARMRK | termios.IXANY)
    attributes[6][termios.VMIN] = 1  # with 0, which pyserial sets, "no data yet" and "unplugged" look the same
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    if _is_pty(fd):
        # A pty has no modem lines (pyserial lets its ENOTTY pass), and TIOCEXCL would outlive a killed agent there,
        # since the simulator holds the slave open: flock alone guards it.
        return
    fcntl.ioctl(fd, termios.TIOCEXCL)
    if line.dtr is not None or line.rts is not None:
        fcntl.ioctl(fd, termios.TIOCMGET, b"\0" * 4)  # a profile that names levels needs a port that has them


def _is_pty(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and os.major(status.st_rdev) in _PTY_MAJORS
