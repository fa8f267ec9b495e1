"""A simulated peripheral behind a real pseudo-terminal."""

import asyncio
import os
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulators.errors import UnknownName
from simulators.pty_port import BACKLOG, PtyPort
from tests.simulators.bench import Bench
from tests.simulators.waiting import eventually

FIND = bytes.fromhex("AAAAAA96690003200122")
NO_CARD = bytes.fromhex("AAAAAA9669000400008084")


class Host:
    """What an agent does with a serial port, on the event loop."""

    def __init__(self, path: Path, baud: int = termios.B115200) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.fd)
        settings = termios.tcgetattr(self.fd)
        settings[4] = settings[5] = baud
        termios.tcsetattr(self.fd, termios.TCSANOW, settings)

    def write(self, data: bytes) -> None:
        assert os.write(self.fd, data) == len(data)

    def read(self) -> bytes | None:
        """Bytes that are there, nothing, or None when the device is gone."""
        try:
            return os.read(self.fd, 4096) or None
        except BlockingIOError:
            return b""
        except OSError:
            return None

    async def receive(self, count: int) -> bytes:
        got = bytearray()

        def enough() -> bool:
            got.extend(self.read() or b"")
            return len(got) >= count

        await eventually(enough)
        return bytes(got)


@contextmanager
def host(path: Path, baud: int = termios.B115200) -> Iterator[Host]:
    opened = Host(path, baud)
    try:
        yield opened
    finally:
        os.close(opened.fd)


@contextmanager
def plugged(port: PtyPort) -> Iterator[PtyPort]:
    port.plug()
    try:
        yield port
    finally:
        port.unplug()


def _reader(tmp_path: Path) -> PtyPort:
    return PtyPort(Bench("sdt-sam-v").peer, tmp_path / "kiosk-1" / "id_reader", baud=115200)


async def test_device_answers_over_the_link(tmp_path: Path) -> None:
    with plugged(_reader(tmp_path)) as port, host(port.link) as agent:
        agent.write(FIND)
        assert await agent.receive(len(NO_CARD)) == NO_CARD


async def test_all_256_byte_values_pass(tmp_path: Path) -> None:
    port = PtyPort(Bench("epson-compatible-80").peer, tmp_path / "printer")
    with plugged(port), host(port.link) as agent:
        agent.write(b"\x1d(k\x03\x01\x31\x50\x30" + bytes(range(256)) + b"\x1d(k\x03\x00\x31\x51\x30\x1dV\x00\x1dr\x01")
        assert await agent.receive(1) == b"\x00"
        assert bytes(range(256)).hex() in port.snapshot()["papers"][0]["raw_hex"]


async def test_pressing_a_button_makes_the_device_speak(tmp_path: Path) -> None:
    port = PtyPort(Bench("epson-compatible-80").peer, tmp_path / "printer")
    with plugged(port), host(port.link) as agent:
        agent.write(b"\x1da\x0f")
        assert await agent.receive(4) == bytes.fromhex("10000000")
        port.press("open_cover")
        assert await agent.receive(4) == bytes.fromhex("38000000")
        with pytest.raises(UnknownName, match="open_cover"):
            port.press("explode")


async def test_link_survives_host_after_host(tmp_path: Path) -> None:
    with plugged(_reader(tmp_path)) as port:
        for _ in range(3):
            with host(port.link) as agent:
                agent.write(FIND)
                assert await agent.receive(len(NO_CARD)) == NO_CARD


async def test_unplugged_device_is_gone_and_comes_back_under_the_same_link(tmp_path: Path) -> None:
    port = _reader(tmp_path)
    with plugged(port):
        with host(port.link) as agent:
            port.unplug()
            await eventually(lambda: agent.read() is None)
            assert not port.link.exists()
            assert not port.plugged
        port.plug()
        with host(port.link) as agent:
            agent.write(FIND)
            assert await agent.receive(len(NO_CARD)) == NO_CARD


async def test_plugging_twice_and_unplugging_twice_is_harmless(tmp_path: Path) -> None:
    port = _reader(tmp_path)
    port.unplug()
    with plugged(port):
        target = os.readlink(port.link)
        port.plug()
        assert os.readlink(port.link) == target
    port.unplug()
    assert not port.link.exists()


async def test_long_answer_takes_the_time_of_its_line(tmp_path: Path) -> None:
    bench = Bench("sdt-sam-v")
    port = PtyPort(bench.peer, tmp_path / "id_reader", baud=9600)
    bench.press("insert_card", person="p001")
    with plugged(port), host(port.link, termios.B9600) as agent:
        for command in ("20 01 22", "20 02 21", "30 01 32"):
            agent.write(bytes.fromhex("AA AA AA 96 69 00 03 " + command))
        began = asyncio.get_running_loop().time()
        await agent.receive(15 + 19 + 1295)
        assert asyncio.get_running_loop().time() - began > 1295 * 10 / 9600


async def test_bytes_at_another_speed_are_not_understood(tmp_path: Path) -> None:
    port = PtyPort(Bench("sdt-sam-v").peer, tmp_path / "id_reader", listens_at=lambda: 115200)
    with plugged(port):
        with host(port.link, termios.B9600) as agent:
            agent.write(FIND)
            await eventually(lambda: port.lost_bytes == len(FIND))
        with host(port.link) as agent:
            agent.write(FIND)
            assert await agent.receive(len(NO_CARD)) == NO_CARD


async def test_host_that_never_reads_costs_bounded_memory(tmp_path: Path) -> None:
    port = PtyPort(Bench("sdt-sam-v").peer, tmp_path / "id_reader")
    with plugged(port):
        port.send([(0.0, bytes(4096))] * 64)
        assert len(port._backlog) <= BACKLOG
        assert port.lost_bytes > 0
        with host(port.link) as agent:
            await agent.receive(BACKLOG)
