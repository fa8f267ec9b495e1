"""A keyboard-like device on Linux: an evdev node, taken for ourselves alone, read on the event loop's readiness.

Bytes are the kernel's ``struct input_event`` (include/uapi/linux/input.h), 24 each on 64-bit systems. Without the grab
a scanner's keys would also reach the screen's browser, where whoever holds a code in front could type.
"""

import fcntl
import os
import struct
import termios
import tty

from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports._descriptor import DescriptorTransport, is_pty, is_readable, lock

EVIOCGVERSION = 0x80044501  # _IOR('E', 0x01, int)
EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int)

_EVENT_SIZE = 24
_NATIVE_EVENT = struct.calcsize("@llHHi")


class InputTransport(DescriptorTransport):
    """One evdev node. On a pty, behind which a simulated device sits, there is no grab: a lock keeps others away."""

    async def _acquire(self) -> int:
        try:
            fd = os.open(self._name, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as error:
            raise TransportLost(
                f"{self._name}: expected an input device that may be opened, got: {error.strerror} (group input?)"
            ) from error
        try:
            _take_alone(self._name, fd)
        except TransportLost:
            os.close(fd)
            raise
        return fd

    def _release(self, fd: int) -> None:
        os.close(fd)  # which also lets go of the grab

    def _waiting(self) -> int:
        return is_readable(self._fd)  # it has events

    def _abandon(self) -> None:
        """The kernel takes whole events or none; only a pty has a queue."""
        if is_pty(self._fd):
            super()._abandon()


def _take_alone(name: str, fd: int) -> None:
    try:
        lock(fd)
    except OSError as error:
        raise TransportLost(f"{name}: expected an input device that nobody else uses, it is locked") from error
    if is_pty(fd):
        tty.setraw(fd)
        termios.tcflush(fd, termios.TCIFLUSH)
        return
    if _NATIVE_EVENT != _EVENT_SIZE:
        raise TransportLost(f"{name}: expected a 64-bit system with events of 24 bytes, here they have {_NATIVE_EVENT}")
    try:
        fcntl.ioctl(fd, EVIOCGVERSION, b"\0" * 4)
    except OSError as error:
        raise TransportLost(f"{name}: expected an evdev node such as /dev/input/by-path/...-event-kbd") from error
    try:
        fcntl.ioctl(fd, EVIOCGRAB, 1)
    except OSError as error:
        raise TransportLost(
            f"{name}: expected to have the keys for us alone, another program has grabbed them: {error.strerror}"
        ) from error


def open_transport(profile: PeripheralProfile, address: str) -> InputTransport:
    """The evdev node at the path ``address``; not open yet."""
    return InputTransport(address)
