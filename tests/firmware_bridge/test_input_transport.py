"""The evdev transport on a pseudo-terminal, and against a kernel that is played where no device is at hand."""

import asyncio
import errno
import fcntl
import os
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_profiles.catalog import load_catalog
from firmware_bridge.errors import TransportLost
from firmware_bridge.registry import transport_for
from firmware_bridge.transports import input as evdev
from firmware_bridge.transports.input import EVIOCGRAB, EVIOCGVERSION, InputTransport

EVENT = bytes(range(24))


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    master, slave = os.openpty()
    tty.setraw(slave)  # as the simulators do
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        os.close(descriptor)


async def test_the_profile_s_attachment_opens_it(pty: tuple[int, str]) -> None:
    transport = transport_for(load_catalog().peripheral("hid-keyboard-wedge"), pty[1])
    assert isinstance(transport, InputTransport)
    await transport.open()
    await transport.close()


async def test_events_pass_both_ways_unchanged(pty: tuple[int, str]) -> None:
    master, name = pty
    os.write(master, b"typed before it was opened")
    transport = InputTransport(name)
    await transport.open()
    os.write(master, EVENT)
    assert await transport.read() == EVENT
    await transport.write(EVENT)
    assert os.read(master, 100) == EVENT
    await transport.close()
    await transport.close()


async def test_a_device_that_somebody_else_has_is_refused_with_words(pty: tuple[int, str]) -> None:
    first, second = InputTransport(pty[1]), InputTransport(pty[1])
    await first.open()
    with pytest.raises(TransportLost, match="nobody else"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_an_unplugged_device_ends_a_read(tmp_path: Path) -> None:
    master, slave = os.openpty()
    transport = InputTransport(os.ttyname(slave))
    await transport.open()
    os.close(slave)
    asyncio.get_running_loop().call_later(0.01, os.close, master)
    with pytest.raises(TransportLost, match="gone"):
        await transport.read()
    await transport.close()


async def test_a_path_without_a_device_is_refused_with_words(tmp_path: Path) -> None:
    with pytest.raises(TransportLost, match="may be opened"):
        await InputTransport(str(tmp_path / "nothing")).open()


async def test_what_is_no_input_device_is_refused_and_closed_again(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(TransportLost, match="evdev node"):
        await InputTransport(str(file)).open()
    assert set(os.listdir("/proc/self/fd")) == before


class Kernel:
    """Answers the two requests that an evdev node gets, as the kernel does."""

    def __init__(self, *, taken: bool) -> None:
        self.taken = taken
        self.asked: list[tuple[int, object]] = []

    def ioctl(self, descriptor: int, request: int, argument: object = 0) -> object:
        self.asked.append((request, argument))
        if request == EVIOCGRAB and self.taken:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if request not in (EVIOCGRAB, EVIOCGVERSION):  # such as FIONREAD: evdev does not count its bytes
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return 0


@pytest.mark.parametrize("taken", [False, True])
async def test_an_input_device_is_grabbed_and_one_that_is_grabbed_already_refused(
    taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "event0"
    os.mkfifo(node)
    kernel = Kernel(taken=taken)
    monkeypatch.setattr(fcntl, "ioctl", kernel.ioctl)
    transport = InputTransport(str(node))
    if taken:
        with pytest.raises(TransportLost, match="another program has grabbed them"):
            await transport.open()
    else:
        await transport.open()
        await transport.write(EVENT)
        assert await transport.read() == EVENT  # a fifo hands back what is written to it
        await transport.close()
    assert kernel.asked == [(EVIOCGVERSION, b"\0" * 4), (EVIOCGRAB, 1)]


async def test_a_system_with_other_events_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "event0"
    os.mkfifo(node)
    monkeypatch.setattr(evdev, "_NATIVE_EVENT", 16)
    with pytest.raises(TransportLost, match="here they have 16"):
        await InputTransport(str(node)).open()
