"""The far ends of every kind of line, for the transport suite: one cable each, and a device that is a test's hand."""

import asyncio
import os
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from device_profiles.schema.peripheral import Hid, Line
from firmware_bridge.transports import Transport
from firmware_bridge.transports.hid import HidTransport
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from firmware_bridge.transports.rfc2217 import Rfc2217Transport
from firmware_bridge.transports.serial import SerialTransport
from firmware_bridge.transports.tcp import TcpTransport
from simulators.hid_reports import HidPeer
from simulators.peripherals.peer import Output
from tests.builders.serial_server import SerialServer

STALL_S = 0.2
FAST = Line(baud=4_000_000)
WITHIN_S = 5.0


class End(Protocol):
    """The device at the other end of a cable."""

    @property
    def heard(self) -> bytearray: ...

    async def say(self, data: bytes) -> None: ...

    def stop_reading(self) -> None: ...

    def plug(self) -> None: ...

    def unplug(self) -> None: ...

    def connect(self) -> Transport:
        """A new transport to this end, not open."""


class Said:
    """A device that does nothing by itself."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.buttons: dict[str, Callable[..., object]] = {}
        self.waiting: list[bytes] = []

    def receive(self, data: bytes, now: float) -> Output:
        self.heard += data
        return []

    def advance(self, now: float) -> Output:
        said, self.waiting = self.waiting, []
        return [(now, data) for data in said]

    def snapshot(self) -> dict[str, object]:
        return {}


class MemoryEnd:
    def __init__(self) -> None:
        self._peer = Said()
        self.heard = self._peer.heard
        self._transport = MemoryTransport(self._peer, VirtualClock())

    async def say(self, data: bytes) -> None:
        self._peer.waiting.append(data)

    def stop_reading(self) -> None: ...

    def plug(self) -> None:
        self._transport.plug()

    def unplug(self) -> None:
        self._transport.unplug()

    def connect(self) -> Transport:
        return self._transport


class NetworkEnd:
    def __init__(self, kind: Callable[[str, int, Line, float], Transport], raw: bool) -> None:
        self.server = SerialServer(raw)
        self.heard = self.server.heard
        self._kind = kind
        self.say = self.server.say
        self.stop_reading = self.server.stop_reading
        self.plug = self.server.plug
        self.unplug = self.server.unplug
        self.plug()

    def connect(self) -> Transport:
        return self._kind("127.0.0.1", self.server.port, FAST, STALL_S)


class PtyEnd:
    """A pseudo-terminal under a link; ``hid`` puts the device's bytes into reports."""

    def __init__(self, link: Path, hid: Hid | None = None) -> None:
        self._link, self._hid = link, hid
        self._device = Said()
        self._peer = HidPeer(self._device, hid) if hid else self._device
        self.heard = self._device.heard
        self.master = self._slave = -1
        self.plug()

    def plug(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self._link.symlink_to(os.ttyname(self._slave))
        asyncio.get_running_loop().add_reader(self.master, self._readable)

    def unplug(self) -> None:
        if self.master < 0:
            return
        self._link.unlink()
        asyncio.get_running_loop().remove_reader(self.master)
        os.close(self._slave)
        os.close(self.master)
        self.master = -1

    def stop_reading(self) -> None:
        asyncio.get_running_loop().remove_reader(self.master)

    async def say(self, data: bytes) -> None:
        self._device.waiting.append(data)
        for _, wire in self._peer.advance(0):
            while wire:
                try:
                    wire = wire[os.write(self.master, wire) :]
                except BlockingIOError:
                    await asyncio.sleep(0)

    def connect(self) -> Transport:
        if self._hid:
            return HidTransport(str(self._link), self._hid, STALL_S)
        return SerialTransport(str(self._link), FAST, STALL_S)

    def _readable(self) -> None:
        try:
            data = os.read(self.master, 777)
        except OSError:  # nobody has the slave open
            asyncio.get_running_loop().remove_reader(self.master)
        else:
            self._peer.receive(data, 0)


ENDS: dict[str, Callable[[Path], End]] = {
    "memory": lambda folder: MemoryEnd(),
    "serial": lambda folder: PtyEnd(folder / "port"),
    "tcp": lambda folder: NetworkEnd(TcpTransport, raw=True),
    "rfc2217": lambda folder: NetworkEnd(Rfc2217Transport, raw=False),
    "hid, length in the first byte": lambda folder: PtyEnd(folder / "port", Hid(length="first_byte")),
    "hid, length as report id": lambda folder: PtyEnd(
        folder / "port", Hid(length="report_id", in_bytes=63, out_bytes=63)
    ),
    "hid, numbered": lambda folder: PtyEnd(
        folder / "port", Hid(length="first_byte", in_bytes=32, out_bytes=16, in_id=2, out_id=4)
    ),
}


@asynccontextmanager
async def plugged_in(kind: str, folder: Path) -> AsyncIterator[End]:
    """An end of that kind for as long as the block lasts."""
    end = ENDS[kind](folder)
    try:
        yield end
    finally:
        end.unplug()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something outside that sets no event."""
    async with asyncio.timeout(WITHIN_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def read_exactly(transport: Transport, count: int) -> bytes:
    """``count`` bytes, or TimeoutError."""
    received = b""
    async with asyncio.timeout(WITHIN_S):
        while len(received) < count:
            received += await transport.read()
    return received
