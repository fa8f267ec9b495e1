"""The serial transport over real pseudo-terminals; the other end is a raw file descriptor."""

import asyncio
import fcntl
import os
import select
import termios
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from device_profiles.capabilities.model import Effect
from device_profiles.schema.peripheral import Line
from firmware_bridge.clock import SystemClock
from firmware_bridge.errors import LinkTimeout, OutcomeUnknown, TransportLost
from firmware_bridge.link import Link
from firmware_bridge.transports._descriptor import HELD_LIMIT, READ_SIZE
from firmware_bridge.transports.serial import SerialTransport
from tests.firmware_bridge.test_link import Words

LINE = Line(baud=115200)
EVERY_BYTE = bytes(range(256))


class Device:
    """The master side of a pty under a symlink, as a cable that can be pulled."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master = -1
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        os.set_blocking(self.master, False)
        self.link.symlink_to(os.ttyname(slave))
        self._slave = slave

    def release_slave(self) -> None:
        """From now on only the transport holds the slave."""
        if self._slave >= 0:
            os.close(self._slave)
        self._slave = -1

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        self.release_slave()
        if self.master >= 0:
            os.close(self.master)
        self.master = -1

    def say(self, data: bytes) -> None:
        while data:
            select.select([], [self.master], [], 5)
            data = data[os.write(self.master, data) :]

    def hear(self, count: int) -> bytes:
        heard = b""
        while len(heard) < count and select.select([self.master], [], [], 5)[0]:
            heard += os.read(self.master, 65536)
        return heard


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path / "port")
    yield device
    device.unplug()


@asynccontextmanager
async def line_to(device: Device, line: Line = LINE, stall_s: float = 2.0) -> AsyncIterator[SerialTransport]:
    transport = SerialTransport(str(device.link), line, stall_s)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def read_exactly(transport: SerialTransport, count: int) -> bytes:
    received = b""
    async with asyncio.timeout(5):
        while len(received) < count:
            received += await transport.read()
    return received


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 -- a condition of the system, which sets no event
            await asyncio.sleep(0)


async def test_all_byte_values_pass_both_ways(device: Device) -> None:
    async with line_to(device) as transport:
        await transport.write(EVERY_BYTE)
        assert device.hear(256) == EVERY_BYTE
        device.say(EVERY_BYTE)
        assert await read_exactly(transport, 256) == EVERY_BYTE


async def test_the_line_gets_the_profile_s_speed_and_raw_mode(device: Device) -> None:
    async with line_to(device, Line(baud=57600)):
        iflag, oflag, _, lflag, ispeed, _, characters = termios.tcgetattr(device._slave)
    assert ispeed == termios.B57600
    assert not iflag & (termios.ICRNL | termios.IXON | termios.IXOFF | termios.BRKINT | termios.PARMRK | termios.ISTRIP)
    assert not oflag & termios.OPOST
    assert not lflag & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert characters[termios.VMIN] == 1


async def test_a_second_agent_cannot_take_the_same_port(device: Device) -> None:
    async with line_to(device):
        with pytest.raises(TransportLost, match="nobody else uses"):
            await SerialTransport(str(device.link), LINE).open()


async def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TransportLost, match="no-such-port"):
        await SerialTransport(str(tmp_path / "no-such-port"), LINE).open()


async def test_a_file_that_is_no_serial_port_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TransportLost, match="serial device"):
        await SerialTransport(str(tmp_path / "file"), LINE).open()


async def test_modem_levels_in_the_profile_are_tolerated_on_a_pty(device: Device) -> None:
    async with line_to(device, Line(dtr=False, rts=True)) as transport:
        device.say(b"x")
        assert await read_exactly(transport, 1) == b"x"


async def test_nothing_works_before_open() -> None:
    transport = SerialTransport("/nowhere", LINE)
    with pytest.raises(TransportLost, match="open"):
        await transport.write(b"x")
    with pytest.raises(TransportLost, match="open"):
        await transport.read()
    await transport.close()


async def test_unplugging_wakes_who_waits_for_bytes(device: Device) -> None:
    async with line_to(device) as transport:
        device.release_slave()
        asyncio.get_running_loop().call_soon(device.unplug)
        with pytest.raises(TransportLost):
            async with asyncio.timeout(5):
                await transport.read()


async def test_what_came_before_the_unplug_is_still_read(device: Device) -> None:
    async with line_to(device) as transport:
        device.release_slave()
        device.say(b"last words")
        await until(lambda: len(transport._received) == 10)
        device.unplug()
        assert await transport.read() == b"last words"
        with pytest.raises(TransportLost):
            async with asyncio.timeout(5):
                await transport.read()


async def test_after_an_unplug_no_callback_is_left_to_spin(device: Device) -> None:
    async with line_to(device) as transport:
        device.release_slave()
        device.unplug()
        await until(lambda: bool(transport._lost))
        assert not asyncio.get_running_loop().remove_reader(transport._fd)
        with pytest.raises(TransportLost):
            transport.discard_input()
        with pytest.raises(TransportLost):
            await transport.write(b"x")


async def test_unplugging_wakes_who_waits_to_write(device: Device) -> None:
    async with line_to(device) as transport:
        device.release_slave()
        asyncio.get_running_loop().call_later(0.05, device.unplug)
        with pytest.raises(TransportLost):
            async with asyncio.timeout(5):
                await transport.write(bytes(1 << 20))


async def test_more_than_the_system_takes_at_once_is_written_in_parts(device: Device) -> None:
    data = EVERY_BYTE * 1024
    heard = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(device.master, lambda: heard.extend(os.read(device.master, 777)))
    try:
        async with line_to(device) as transport:
            async with asyncio.timeout(10):
                await transport.write(data)
            await until(lambda: len(heard) == len(data))
            assert not loop.remove_writer(transport._fd)
    finally:
        loop.remove_reader(device.master)
    assert bytes(heard) == data


async def test_a_device_that_takes_no_bytes_does_not_hold_the_writer_for_ever(device: Device) -> None:
    async with line_to(device, Line(baud=4_000_000), stall_s=0.05) as transport:
        with pytest.raises(LinkTimeout, match="still waiting"):
            await transport.write(bytes(1 << 18))
        assert not asyncio.get_running_loop().remove_writer(transport._fd)


async def test_a_stalled_write_of_an_effect_is_unknown(device: Device) -> None:
    async with line_to(device, Line(baud=4_000_000), stall_s=0.05) as transport:
        link = Link(transport, Words(), SystemClock(), reply_s=1, attempts=1)
        with pytest.raises(OutcomeUnknown):
            await link.request(bytes(1 << 18), effect=Effect.ONCE, accept=lambda _reply: True)


async def test_bytes_that_nobody_reads_are_held_back_not_piled_up(device: Device) -> None:
    async with line_to(device) as transport:
        sent = 0
        async with asyncio.timeout(10):
            while transport._reading:
                if select.select([], [device.master], [], 0)[1]:
                    sent += os.write(device.master, EVERY_BYTE)
                await asyncio.sleep(0)
        assert len(transport._received) < HELD_LIMIT + READ_SIZE
        assert (await read_exactly(transport, sent))[:sent] == EVERY_BYTE * (sent // 256)
        device.say(b"next")
        assert await read_exactly(transport, 4) == b"next"


async def test_discarding_counts_what_the_system_still_holds(device: Device) -> None:
    async with line_to(device) as transport:
        device.say(b"12345")
        await until(lambda: len(transport._received) + transport._waiting() == 5)  # a busy kernel takes its time
        assert transport.discard_input() == 5
        assert transport.discard_input() == 0


async def test_bytes_that_are_here_already_are_received_without_waiting(device: Device) -> None:
    async with line_to(device) as transport:
        link = Link(transport, Words(), SystemClock(), reply_s=1, attempts=1)
        device.say(b"here.")
        await until(lambda: len(transport._received) + transport._waiting() == 5)
        assert await link.receive(0.0) == "here"
        assert await link.receive(0.0) is None


async def test_a_cancelled_read_loses_no_bytes(device: Device) -> None:
    async with line_to(device) as transport:
        task = asyncio.ensure_future(transport.read())
        await until(lambda: transport._reader is not None)
        device.say(b"kept")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await read_exactly(transport, 4) == b"kept"


async def test_the_line_opens_again_after_an_unplug(device: Device) -> None:
    async with line_to(device) as transport:
        device.unplug()
        with pytest.raises(TransportLost):
            async with asyncio.timeout(5):
                await transport.read()
        with pytest.raises(TransportLost):
            await transport.open()
        device.plug()
        await transport.open()
        device.say(b"back")
        assert await read_exactly(transport, 4) == b"back"


async def test_closing_wakes_who_waits_and_frees_the_port(device: Device) -> None:
    transport = SerialTransport(str(device.link), LINE)
    await transport.open()
    waiting = asyncio.ensure_future(transport.read())
    await until(lambda: transport._reader is not None)
    await transport.close()
    await transport.close()
    with pytest.raises(TransportLost, match="closed"):
        await waiting
    fd = os.open(device.link, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(fd)


@pytest.mark.parametrize("hang_up", [True, False])
async def test_closing_lowers_the_levels_only_when_the_profile_says_so(device: Device, hang_up: bool) -> None:
    async with line_to(device, Line(hang_up=hang_up)):
        flags = termios.tcgetattr(device._slave)[2]
    assert bool(flags & termios.HUPCL) is hang_up


@pytest.mark.parametrize(
    ("flow", "hardware", "software"), [("none", False, False), ("rts_cts", True, False), ("xon_xoff", False, True)]
)
async def test_the_line_has_the_profile_s_flow_control(
    device: Device, flow: str, hardware: bool, software: bool
) -> None:
    async with line_to(device, Line.model_validate({"flow": flow})):
        iflag, _, cflag, *_ = termios.tcgetattr(device._slave)
    assert bool(cflag & termios.CRTSCTS) is hardware
    assert bool(iflag & termios.IXON) is software
    assert bool(iflag & termios.IXOFF) is software


async def test_more_than_one_read_is_discarded_at_once(device: Device) -> None:
    async with line_to(device) as transport:
        device.say(bytes(3 * READ_SIZE))
        await until(lambda: len(transport._received) + transport._waiting() == 3 * READ_SIZE)
        assert transport.discard_input() == 3 * READ_SIZE
