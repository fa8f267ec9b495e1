"""udev's events over a real netlink socket, sent as udev itself sends them (libudev's monitor message)."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.devices.udev import RECHECK_S, UdevSource
from edge_agent.ports import Device
from tests.edge_agent.fakes import VirtualClock, eventually

UEVENT, UDEV_GROUP = 15, 2  # NETLINK_KOBJECT_UEVENT; group 1 is the kernel's, group 2 udev's
MAGIC, HEADER = 0xFEEDCAFE, 40


class Listing(UdevSource):
    """Counts how often the list is read, and has a list of its own: no udev runs where tests run."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(["tty"], clock, Path("/dev"))
        self.there: list[Device] = []
        self.reads = 0

    def _list(self) -> Iterator[Device]:
        self.reads += 1
        return iter(self.there)


def tell(subsystem: str, action: str = "add") -> None:
    """What udev multicasts after its rules have run; only root may."""
    properties = b"".join(
        line.encode() + b"\0"
        for line in (f"ACTION={action}", "DEVPATH=/devices/virtual/tty/tty", f"SUBSYSTEM={subsystem}", "SEQNUM=1")
    )
    header = struct.pack("8s8I", b"libudev\0", socket.htonl(MAGIC), HEADER, HEADER, len(properties), 0, 0, 0, 0)
    # The hash of the subsystem is what the kernel's filter looks at.
    header = header[:24] + struct.pack("I", socket.htonl(_murmur2(subsystem.encode()))) + header[28:]
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, UEVENT) as sender:
        sender.sendto(header + properties, (0, UDEV_GROUP))


def _murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bits, seed 0 (libudev's filter)."""
    factor, found, rest = 0x5BD1E995, len(data), data
    while len(rest) >= 4:
        word = int.from_bytes(rest[:4], "little") * factor & 0xFFFFFFFF
        word = (word ^ word >> 24) * factor & 0xFFFFFFFF
        found, rest = (found * factor & 0xFFFFFFFF) ^ word, rest[4:]
    if rest:
        found = (found ^ int.from_bytes(rest, "little")) * factor & 0xFFFFFFFF
    found = (found ^ found >> 13) * factor & 0xFFFFFFFF
    return found ^ found >> 15


@pytest.fixture(name="may_tell")
def _may_tell() -> None:
    try:
        tell("none")
    except OSError as error:
        pytest.skip(f"sending udev's messages needs root: {error}")


async def test_an_event_makes_the_list_new(may_tell: None) -> None:
    source = Listing(VirtualClock())
    source.open()
    try:
        assert list(source.devices()) == []
        source.there.append(Device("tty", "/dev/ttyUSB0", path="1-1"))
        assert list(source.devices()) == []
        tell("tty")
        await eventually(lambda: list(source.devices()) == source.there)
        reads = source.reads
        tell("sound")
        await asyncio.sleep(0)
        source.devices()
        assert source.reads == reads, "events of other subsystems wake nobody"
    finally:
        source.close()


def test_who_waits_looks_again_also_without_an_event() -> None:
    clock = VirtualClock()
    source = Listing(clock)
    source.devices()
    clock.advance(RECHECK_S / 2)
    source.devices()
    assert source.reads == 1
    clock.advance(RECHECK_S / 2)
    source.devices()
    assert source.reads == 2


async def test_closing_gives_the_socket_back() -> None:
    before = len(os.listdir("/proc/self/fd"))
    source = Listing(VirtualClock())
    for _ in range(3):
        source.open()
        source.close()
    source.close()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_what_udev_has_not_finished_with_is_not_listed() -> None:
    """Here udev does not run at all, so it has finished with nothing, whatever the kernel lists."""
    if Path("/run/udev/control").exists():
        pytest.skip("udev runs here")
    assert list(UdevSource(["tty"], VirtualClock()).devices()) == []
