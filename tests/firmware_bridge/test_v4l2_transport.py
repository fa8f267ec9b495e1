"""The V4L2 node against a stand-in for the kernel that keeps to linux/videodev2.h: same calls, same bytes, a real
descriptor. There is no camera and no vivid module where these tests run, so the kernel itself is not exercised.
"""

import asyncio
import errno
import os
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from device_profiles.capabilities.camera import CameraStatus
from device_profiles.catalog import load_catalog
from firmware_bridge.drivers.camera import Driver
from firmware_bridge.errors import DeviceFault, LinkTimeout, TransportLost
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports.v4l2 import V4l2Transport, View
from simulators.peripherals.camera import GREY_PATCH
from tests.simulators.waiting import eventually

PROFILE = load_catalog().peripheral("usb-camera")


class Buffer(bytearray):
    """A mapped buffer."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Kernel:
    """A capture node: frames appear once it streams, as long as ``frames`` has some."""

    def __init__(self) -> None:
        self.fd, self._signal = os.pipe()
        os.set_blocking(self.fd, False)
        self.frames: list[bytes] = []
        self.damaged: set[int] = set()
        self.fails: dict[int, int] = {}  # call -> errno
        self.caps = 0x8000_0000, 0x0400_0001
        self.streaming = False
        self.tried = False  # a frame was asked for and there was none
        self.form = (0, 0, 0)
        self.buffers: list[Buffer] = []
        self.mapped = 0
        self.may_start = threading.Event()
        self.may_start.set()
        self._queued: list[int] = []
        self._given = 0

    def open(self, path: str) -> int:
        if path == "/dev/nowhere":
            raise OSError(errno.ENOENT, "No such file or directory")
        return self.fd

    def close(self, fd: int) -> None:
        self.streaming = False

    def map(self, fd: int, length: int, offset: int) -> Buffer:
        assert length == 4096
        self.mapped += 1
        return self.buffers[offset // 4096]

    def ioctl(self, fd: int, request: int, argument: bytearray) -> None:
        assert len(argument) == request >> 16 & 0x3FFF, "the size of the argument is part of the call's number"
        number = request & 0xFF
        if number in self.fails:
            raise OSError(self.fails[number], os.strerror(self.fails[number]))
        calls: dict[int, Callable[[bytearray], None]] = {
            0: self._query, 5: self._format, 8: self._request, 9: self._query_buffer, 15: self._queue,
            17: self._dequeue, 18: self._on, 19: self._off,
        }  # fmt: skip
        calls[number](argument)

    def _query(self, told: bytearray) -> None:
        told[16:48] = b"Fake camera".ljust(32, b"\0")
        struct.pack_into("=I", told, 84, self.caps[0] | self.caps[1])
        struct.pack_into("=I", told, 88, self.caps[1])

    def _format(self, form: bytearray) -> None:
        self.form = struct.unpack_from("=III", form, 8)

    def _request(self, wanted: bytearray) -> None:
        count, kind, memory = struct.unpack_from("=III", wanted)
        assert (kind, memory) == (1, 1)
        assert not count or not self.buffers or all(buffer.closed for buffer in self.buffers)
        self.buffers = [Buffer(4096) for _ in range(min(count, 2))]  # fewer than asked for, as drivers do
        struct.pack_into("=I", wanted, 0, len(self.buffers))
        self._queued.clear()

    def _query_buffer(self, buffer: bytearray) -> None:
        (index,) = struct.unpack_from("=I", buffer)
        struct.pack_into("=I", buffer, 64, index * 4096)
        struct.pack_into("=I", buffer, 72, 4096)

    def _queue(self, buffer: bytearray) -> None:
        index, kind = struct.unpack_from("=II", buffer)
        assert (kind, struct.unpack_from("=I", buffer, 60)[0]) == (1, 1)
        self._queued.append(index)
        self.offer()

    def _dequeue(self, buffer: bytearray) -> None:
        try:
            os.read(self.fd, 1)
        except BlockingIOError:
            self.tried = True
            raise BlockingIOError(errno.EAGAIN, "nothing yet") from None
        index, data = self._queued.pop(0), self.frames.pop(0)
        self.buffers[index][: len(data)] = data
        flags = 0x40 if self._given in self.damaged else 0
        self._given += 1
        struct.pack_into("=I", buffer, 0, index)
        struct.pack_into("=II", buffer, 8, len(data), flags)

    def _on(self, _kind: bytearray) -> None:
        self.may_start.wait(10)
        self.streaming = True
        self.offer()

    def _off(self, _kind: bytearray) -> None:
        self.streaming = False
        while True:
            try:
                os.read(self.fd, 64)
            except BlockingIOError:
                return

    def offer(self) -> None:
        """Signal the next frame when there are a frame and a buffer for it."""
        if self.streaming and self.frames and self._queued:
            os.write(self._signal, b"!")

    def shut(self) -> None:
        os.close(self.fd)
        os.close(self._signal)


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    kernel = Kernel()
    yield kernel
    kernel.shut()


def marked(number: int) -> bytes:
    return GREY_PATCH[:2] + b"\xff\xfe\x00\x03" + bytes((number,)) + GREY_PATCH[2:]


async def opened(kernel: Kernel, warm_up: int = 2) -> tuple[Driver, V4l2Transport]:
    transport = V4l2Transport("/dev/video0", View(warm_up=warm_up), kernel)
    await transport.open()
    driver = load_driver(PROFILE, transport)
    assert isinstance(driver, Driver)
    return driver, transport


async def lens(driver: Driver) -> str:
    status = await driver.status()
    assert isinstance(status, CameraStatus)
    return str(status.lens)


async def test_a_picture_is_taken_after_the_exposure_has_settled(kernel: Kernel) -> None:
    kernel.frames = [marked(n) for n in range(6)]
    driver, transport = await opened(kernel)
    assert (await driver.identify()).model == "Fake camera"
    assert not kernel.streaming
    assert (await driver.picture(5)).data == marked(2)
    assert kernel.form == (640, 480, 0x4750_4A4D)
    assert (kernel.streaming, kernel.buffers, kernel.mapped) == (False, [], 2)
    await transport.close()


async def test_a_frame_that_comes_later_wakes_who_waits(kernel: Kernel) -> None:
    driver, transport = await opened(kernel, warm_up=0)

    def expose() -> None:
        if not kernel.streaming:  # the start runs in a thread
            asyncio.get_running_loop().call_later(0.005, expose)
            return
        kernel.frames.append(marked(7))
        kernel.offer()

    expose()
    assert (await driver.picture(5)).data == marked(7)
    await transport.close()


async def test_damaged_frames_are_passed_over_and_padding_is_cut(kernel: Kernel) -> None:
    kernel.frames = [marked(1)[:40], b"", marked(3) + bytes(100)]
    kernel.damaged = {0}
    driver, transport = await opened(kernel, warm_up=0)
    assert (await driver.picture(5)).data == marked(3)
    await transport.close()


@pytest.mark.parametrize("call", [5, 8, 18], ids=["format", "buffers", "stream"])
async def test_a_camera_that_another_program_uses_is_blind_until_it_is_free(kernel: Kernel, call: int) -> None:
    driver, transport = await opened(kernel, warm_up=0)
    assert await lens(driver) == "ok"
    kernel.fails = {call: errno.EBUSY}
    kernel.frames = [marked(1)]
    with pytest.raises((DeviceFault, TransportLost), match="resource busy"):
        await driver.picture(5)
    assert await lens(driver) == "inoperative"
    kernel.fails.clear()
    assert (await driver.picture(5)).data == marked(1)
    assert await lens(driver) == "ok"
    await transport.close()


async def test_a_camera_that_sends_nothing_is_switched_off_in_time(kernel: Kernel) -> None:
    driver, transport = await opened(kernel)
    with pytest.raises(LinkTimeout):
        await driver.picture(0.05)
    assert (kernel.streaming, kernel.buffers) == (False, [])
    await transport.close()


async def test_who_gives_up_while_the_camera_starts_leaves_no_stream_behind(kernel: Kernel) -> None:
    kernel.may_start.clear()
    driver, transport = await opened(kernel)
    picture = asyncio.ensure_future(driver.picture(20))
    await eventually(lambda: kernel.mapped == 2)
    picture.cancel()
    await asyncio.sleep(0)
    assert not picture.done()
    kernel.may_start.set()
    with pytest.raises(asyncio.CancelledError):
        await picture
    assert (kernel.streaming, kernel.buffers) == (False, [])
    kernel.frames = [marked(n) for n in range(3)]
    assert (await driver.picture(5)).data == marked(2)
    await transport.close()


async def test_a_camera_that_is_pulled_out_while_it_is_waited_for_does_not_swallow_a_cancellation(
    kernel: Kernel,
) -> None:
    driver, transport = await opened(kernel)
    picture = asyncio.ensure_future(driver.picture(20))
    await eventually(lambda: kernel.streaming and kernel.tried)
    kernel.fails = dict.fromkeys(range(20), errno.ENODEV)
    picture.cancel()
    with pytest.raises(asyncio.CancelledError):
        await picture
    await transport.close()


async def test_a_camera_that_is_pulled_out_is_a_lost_line(kernel: Kernel) -> None:
    driver, transport = await opened(kernel)
    kernel.fails = dict.fromkeys(range(20), errno.ENODEV)
    with pytest.raises(TransportLost, match="No such device"):
        await driver.picture(5)
    with pytest.raises(TransportLost):
        await driver.status()
    await transport.close()


async def test_a_node_without_pictures_is_refused(kernel: Kernel) -> None:
    kernel.caps = 0x8000_0001, 0x0400_0000 | 0x0080_0000  # metadata; the camera as a whole does capture
    with pytest.raises(TransportLost, match="second node carries metadata"):
        await opened(kernel)


async def test_a_node_that_is_not_there_or_no_camera_is_a_lost_line() -> None:
    for path in ("/dev/video_of_nobody", "/dev/null"):
        with pytest.raises(TransportLost, match="expected a source of pictures"):
            await transport_for(PROFILE, path).open()
