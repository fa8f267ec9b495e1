"""A serial line on Linux: pyserial opens and configures, the event loop's readiness moves the bytes.

Reading and writing do not go through pyserial: its calls block, and its asyncio wrapper spins after a partial write.
"""

import fcntl
import os
import termios
from contextlib import suppress

import serial

from device_profiles.schema.peripheral import Line, PeripheralProfile
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports._descriptor import STALL_S, DescriptorTransport, is_pty

_PARITY = {"none": serial.PARITY_NONE, "even": serial.PARITY_EVEN, "odd": serial.PARITY_ODD}


class SerialTransport(DescriptorTransport):
    """One serial device, taken exclusively. ``path`` may be a symlink; bytes from before ``open`` are dropped."""

    def __init__(self, path: str, line: Line, stall_s: float = STALL_S) -> None:
        super().__init__(path, stall_s)
        self._line = line
        self._port: serial.Serial | None = None

    def set_baud(self, baud: int) -> None:
        """See ``AdjustableSpeed``; ``baud`` is one of the rates that termios has a name for."""
        self._check()
        try:
            attributes = termios.tcgetattr(self._fd)
            attributes[4] = attributes[5] = getattr(termios, f"B{baud}")
            termios.tcflush(self._fd, termios.TCIOFLUSH)  # not TCSAFLUSH, which waits until the line has taken all
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        except (AttributeError, termios.error) as error:
            raise TransportLost(f"{self._name}: expected a line that can run at {baud} baud, got: {error}") from error
        self._line = self._line.model_copy(update={"baud": baud})
        self._received = b""

    async def _acquire(self) -> int:
        self._port = _open_port(self._name, self._line)
        fd: int = self._port.fileno()
        return fd

    def _release(self, fd: int) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.close()

    def _wire_s(self, count: int) -> float:
        return count * (2 + self._line.data_bits + self._line.stop_bits) / self._line.baud


def open_transport(profile: PeripheralProfile, address: str) -> SerialTransport:
    """The serial device at the path ``address``, set up as ``profile`` says; not open yet."""
    return SerialTransport(address, profile.line)


def _open_port(path: str, line: Line) -> serial.Serial:
    port = serial.Serial(
        port=None,
        baudrate=line.baud,
        bytesize=line.data_bits,
        parity=_PARITY[line.parity],
        stopbits=line.stop_bits,
        rtscts=line.flow == "rts_cts",
        xonxoff=line.flow == "xon_xoff",
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
        _finish_setup(port, line)
    except (OSError, ValueError, termios.error) as error:
        port.close()
        raise TransportLost(f"{path}: expected a serial device that nobody else uses, got: {error}") from error
    return port


def _finish_setup(port: serial.Serial, line: Line) -> None:
    """What pyserial leaves out: exclusive for everybody, breaks and parity marks off, an empty read means hang-up."""
    fd = port.fileno()
    os.set_blocking(fd, False)
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~(termios.BRKINT | termios.PARMRK | termios.IXANY)
    attributes[2] = attributes[2] | termios.HUPCL if line.hang_up else attributes[2] & ~termios.HUPCL
    attributes[6][termios.VMIN] = 1  # with 0, which pyserial sets, "no data yet" and "unplugged" look the same
    attributes[6][termios.VTIME] = 0
    termios.tcsetattr(fd, termios.TCSANOW, attributes)
    if is_pty(fd):
        # A pty has no modem lines (pyserial lets its ENOTTY pass), and TIOCEXCL would outlive a killed agent there,
        # since the simulator holds the slave open: flock alone guards it.
        return
    fcntl.ioctl(fd, termios.TIOCEXCL)
    # Not every bridge has the knob; without it answers come up to 16 ms later and nothing else is wrong.
    with suppress(OSError, ValueError):
        port.set_low_latency_mode(True)
    if line.dtr is not None or line.rts is not None:
        fcntl.ioctl(fd, termios.TIOCMGET, b"\0" * 4)  # a profile that names levels needs a port that has them
