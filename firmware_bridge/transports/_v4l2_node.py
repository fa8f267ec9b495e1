"""One V4L2 capture node: the few calls that streaming Motion-JPEG into mapped buffers takes.

Source: linux/videodev2.h and the kernel's userspace API guide (streaming I/O, memory mapping); sizes and numbers of the
calls are those of a 64-bit system, as the header gives them. A library would bring 12 MiB for these eight calls.
"""

import errno
import fcntl
import mmap
import os
import struct
from dataclasses import dataclass
from typing import Protocol

QUERYCAP, S_FMT, REQBUFS, QUERYBUF = 0x80685600, 0xC0D05605, 0xC0145608, 0xC0585609
QBUF, DQBUF, STREAMON, STREAMOFF = 0xC058560F, 0xC0585611, 0x40045612, 0x40045613
VIDEO_CAPTURE, STREAMING, DEVICE_CAPS = 0x1, 0x0400_0000, 0x8000_0000
CAPTURE, MMAP, MJPG, FLAG_ERROR = 1, 1, 0x4750_4A4D, 0x40
BUFFERS = 3

_CAPABILITY, _FORMAT, _BUFFER = 104, 208, 88
_CARD, _CAPABILITIES, _DEVICE_CAPS = 16, 84, 88
_PIXELS = 8  # offset of v4l2_pix_format in v4l2_format
_USED, _FLAGS, _MEMORY, _OFFSET, _LENGTH = 8, 12, 60, 64, 72  # in v4l2_buffer


class Mapped(Protocol):
    """A buffer of the kernel's."""

    def __getitem__(self, part: slice, /) -> bytes | bytearray: ...
    def close(self) -> None: ...


class System(Protocol):
    """The kernel, as far as it is asked."""

    def open(self, path: str) -> int: ...
    def ioctl(self, fd: int, request: int, argument: bytearray) -> None: ...
    def map(self, fd: int, length: int, offset: int) -> Mapped: ...
    def close(self, fd: int) -> None: ...


class Linux:
    """The real one."""

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ioctl(self, fd: int, request: int, argument: bytearray) -> None:
        fcntl.ioctl(fd, request, argument, True)

    def map(self, fd: int, length: int, offset: int) -> Mapped:
        return mmap.mmap(fd, length, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)

    def close(self, fd: int) -> None:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as the driver gives it; a damaged one has no data."""

    data: bytes


class Node:
    """An open capture node. Every call raises OSError; ENODEV when the camera was pulled out."""

    def __init__(self, path: str, system: System) -> None:
        if struct.calcsize("P") != 8:
            raise OSError(errno.ENOSYS, "expected a 64-bit system: the calls have other sizes on this one")
        self._system = system
        self._buffers: list[Mapped] = []
        self.fd = system.open(path)
        try:
            self.name = self._card()
        except BaseException:
            system.close(self.fd)
            raise

    def start(self, width: int, height: int) -> None:
        """Stream frames of about this size (the driver takes the nearest it has); Motion-JPEG or OSError."""
        try:
            self._start(width, height)
        except OSError:
            self._give_back()
            raise

    def _start(self, width: int, height: int) -> None:
        form = bytearray(_FORMAT)
        struct.pack_into("=I", form, 0, CAPTURE)
        struct.pack_into("=III", form, _PIXELS, width, height, MJPG)
        self._call(S_FMT, form)
        if struct.unpack_from("=I", form, _PIXELS + 8)[0] != MJPG:
            raise OSError(errno.EINVAL, "the camera has no Motion-JPEG")
        count = bytearray(struct.pack("=IIIIB3x", BUFFERS, CAPTURE, MMAP, 0, 0))
        self._call(REQBUFS, count)
        for index in range(struct.unpack_from("=I", count)[0]):
            self._map_buffer(index)
        self._call(STREAMON, bytearray(struct.pack("=I", CAPTURE)))

    def take(self) -> Frame | None:
        """The oldest frame that waits, or None."""
        buffer = _buffer(0)
        try:
            self._call(DQBUF, buffer)
        except BlockingIOError:
            return None
        index, used, flags = (struct.unpack_from("=I", buffer, at)[0] for at in (0, _USED, _FLAGS))
        data = b"" if flags & FLAG_ERROR else bytes(self._buffers[index][:used])
        self._call(QBUF, _buffer(index))
        return Frame(data)

    def stop(self) -> None:
        """End the stream and give the buffers back; the camera's light goes out."""
        try:
            self._call(STREAMOFF, bytearray(struct.pack("=I", CAPTURE)))
        finally:
            self._give_back()

    def close(self) -> None:
        self._system.close(self.fd)

    def _card(self) -> str:
        told = bytearray(_CAPABILITY)
        self._call(QUERYCAP, told)
        whole, of_node = struct.unpack_from("=II", told, _CAPABILITIES)
        able = of_node if whole & DEVICE_CAPS else whole
        if not able & VIDEO_CAPTURE or not able & STREAMING:
            raise OSError(errno.EINVAL, "the node captures no video (a camera's second node carries metadata)")
        return bytes(told[_CARD : _CARD + 32]).partition(b"\0")[0].decode("utf-8", "replace")

    def _give_back(self) -> None:
        buffers, self._buffers = self._buffers, []
        for buffer in buffers:
            buffer.close()
        if buffers:
            self._call(REQBUFS, bytearray(struct.pack("=IIIIB3x", 0, CAPTURE, MMAP, 0, 0)))

    def _map_buffer(self, index: int) -> None:
        buffer = _buffer(index)
        self._call(QUERYBUF, buffer)
        (offset,), (length,) = (struct.unpack_from("=I", buffer, at) for at in (_OFFSET, _LENGTH))
        self._buffers.append(self._system.map(self.fd, length, offset))
        self._call(QBUF, _buffer(index))

    def _call(self, request: int, argument: bytearray) -> None:
        self._system.ioctl(self.fd, request, argument)


def _buffer(index: int) -> bytearray:
    buffer = bytearray(_BUFFER)
    struct.pack_into("=II", buffer, 0, index, CAPTURE)
    struct.pack_into("=I", buffer, _MEMORY, MMAP)
    return buffer
