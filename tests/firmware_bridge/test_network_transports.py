"""Lines over TCP against servers: our own, and two that we did not write (pyserial's and ser2net)."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import serial
import serial.rfc2217

from device_profiles.catalog import load_catalog
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import Line
from firmware_bridge.errors import TransportLost
from firmware_bridge.registry import transport_for
from firmware_bridge.transports import AdjustableSpeed, Transport, rfc2217
from firmware_bridge.transports.rfc2217 import Rfc2217Transport
from firmware_bridge.transports.tcp import TcpTransport, host_and_port
from tests.builders.serial_server import SerialServer
from tests.conftest import require
from tests.contracts.transport_ends import read_exactly, until
from tests.servers import ser2net

EVERY_BYTE = bytes(range(256))
LINE = Line(baud=57600, parity="even", stop_bits=2, dtr=False, rts=True)


@asynccontextmanager
async def opened(transport: Transport) -> AsyncIterator[Transport]:
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


@asynccontextmanager
async def served(server: SerialServer) -> AsyncIterator[SerialServer]:
    server.plug()
    try:
        yield server
    finally:
        server.unplug()


async def test_the_port_gets_the_profile_s_settings_and_levels() -> None:
    async with served(SerialServer()) as server, opened(Rfc2217Transport("127.0.0.1", server.port, LINE)):
        await until(lambda: 12 in server.settings)
        assert int.from_bytes(server.settings[1]) == 57600
        assert [server.settings[number] for number in (2, 3, 4)] == [b"\x08", b"\x03", b"\x02"]
        assert server.controls == [1, 9, 11]  # no flow control, DTR off, RTS on
        assert server.settings[12] == b"\x03"


async def test_the_speed_can_be_changed_while_the_port_is_open() -> None:
    async with (
        served(SerialServer()) as server,
        opened(Rfc2217Transport("127.0.0.1", server.port, LINE)) as transport,
    ):
        assert isinstance(transport, AdjustableSpeed)
        transport.set_baud(115200)
        await transport.write(b"now")
        await until(lambda: server.heard == b"now")
        assert int.from_bytes(server.settings[1]) == 115200


async def test_a_port_that_takes_another_speed_is_refused() -> None:
    async with served(SerialServer(answers={1: (9600).to_bytes(4)})) as server:
        with pytest.raises(TransportLost, match="baud 57600, the server has 9600"):
            await Rfc2217Transport("127.0.0.1", server.port, LINE).open()


async def test_a_server_that_does_not_speak_rfc_2217_is_named_as_one() -> None:
    async with served(SerialServer(speaks_2217=False)) as server:
        with pytest.raises(TransportLost, match="refuses telnet's option com_port"):
            await Rfc2217Transport("127.0.0.1", server.port, LINE).open()


async def test_a_raw_port_is_told_from_one_that_speaks_rfc_2217(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rfc2217, "AGREE_S", 0.1)
    async with served(SerialServer(raw=True)) as server:
        with pytest.raises(TransportLost, match=r"tcp://127\.0\.0\.1"):
            await Rfc2217Transport("127.0.0.1", server.port, LINE).open()


async def test_notices_of_the_modem_and_new_offers_do_not_get_into_the_data() -> None:
    async with (
        served(SerialServer()) as server,
        opened(Rfc2217Transport("127.0.0.1", server.port, LINE)) as transport,
    ):
        await server.say(b"one")
        server.say_telnet(bytes.fromhex("FF FA 2C 6B 30 FF F0 FF FB 63 FF F1"))
        await server.say(b"two")
        assert await read_exactly(transport, 6) == b"onetwo"


async def test_what_came_before_the_other_side_closed_is_still_read() -> None:
    async with served(SerialServer(raw=True)) as server, opened(TcpTransport("127.0.0.1", server.port, LINE)) as line:
        await server.say(b"last words")
        server.hang_up()
        assert await read_exactly(line, 10) == b"last words"
        with pytest.raises(TransportLost, match="end of file"):
            await line.read()


async def test_a_connection_sends_at_once_and_asks_after_a_silent_peer() -> None:
    async with served(SerialServer(raw=True)) as server, opened(TcpTransport("127.0.0.1", server.port, LINE)) as line:
        assert isinstance(line, TcpTransport)
        connection = line._socket
        assert connection is not None
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle, interval, probes = (
            connection.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert (
            idle + interval * probes <= 15
        )  # a peer that was switched off is known to be gone within a quarter minute
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 15_000


async def test_nobody_there_is_said_with_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        with pytest.raises(TransportLost, match=f"127.0.0.1:{port}: expected a device"):
            await TcpTransport("127.0.0.1", port, LINE).open()


def test_ports_are_found_by_their_scheme() -> None:
    profile = load_catalog().peripheral("grow-gm65")
    assert isinstance(transport_for(profile, "tcp://10.0.0.7:4001"), TcpTransport)
    assert isinstance(transport_for(profile, "rfc2217://hall-server:2001"), Rfc2217Transport)
    assert host_and_port("[fe80::1]:4001") == ("fe80::1", 4001)
    with pytest.raises(ProfileError, match="recording"):
        transport_for(profile, "recording://x")


@pytest.mark.parametrize("address", ["", "host", "host:", ":4001", "host:70000", "host:x", "a@host:1", "host:1/x", "["])
def test_an_address_without_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(ProfileError, match="host:port"):
        host_and_port(address)


class PyserialServer:
    """pyserial's PortManager on a loop:// port in threads, as its example serves a connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.device = serial.serial_for_url("loop://", timeout=0.05)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)
        self.device.close()

    def write(self, data: bytes) -> None:
        """What PortManager sends to the connection."""
        self._connection.sendall(data)

    def _serve(self) -> None:
        self._connection, _ = self._listener.accept()
        manager = serial.rfc2217.PortManager(self.device, self)  # type: ignore[arg-type]  # any of pyserial's ports
        port = threading.Thread(target=self._from_port, args=(manager,))
        self._serving = True
        port.start()
        while data := self._connection.recv(1024):
            self.device.write(b"".join(manager.filter(data)))
        self._serving = False
        port.join(10)
        self._connection.close()

    def _from_port(self, manager: serial.rfc2217.PortManager) -> None:
        while self._serving:
            if data := self.device.read(self.device.in_waiting or 1):
                self._connection.sendall(b"".join(manager.escape(data)))


@pytest.fixture
def pyserial_server() -> Iterator[PyserialServer]:
    server = PyserialServer()
    yield server
    server.close()


async def test_pyserial_s_server_sets_its_port_and_carries_every_byte(pyserial_server: PyserialServer) -> None:
    async with opened(Rfc2217Transport("127.0.0.1", pyserial_server.port, LINE)) as transport:
        device = pyserial_server.device
        assert (device.baudrate, device.parity, device.stopbits) == (57600, "E", 2)
        await until(lambda: (device.dtr, device.rts) == (False, True))
        await transport.write(EVERY_BYTE * 4)  # the port is a loop: it says everything back
        assert await read_exactly(transport, 1024) == EVERY_BYTE * 4


@pytest.fixture
def ser2net_server() -> Iterator[ser2net.Served]:
    require("ser2net")
    with ser2net.serve() as server:
        yield server


@pytest.mark.ser2net
async def test_ser2net_sets_its_port_and_carries_every_byte(ser2net_server: ser2net.Served) -> None:
    started = time.monotonic()
    async with opened(Rfc2217Transport("127.0.0.1", ser2net_server.telnet_port, Line(baud=57600))) as transport:
        assert time.monotonic() - started < rfc2217.CONFIRM_S + 1
        assert ser2net_server.baud() == 57600
        await both_ways(transport, ser2net_server)


@pytest.mark.ser2net
async def test_ser2net_s_raw_port_carries_every_byte(ser2net_server: ser2net.Served) -> None:
    async with opened(TcpTransport("127.0.0.1", ser2net_server.raw_port, Line(baud=57600))) as transport:
        await both_ways(transport, ser2net_server)


async def both_ways(transport: Transport, server: ser2net.Served) -> None:
    await transport.write(EVERY_BYTE * 4)
    heard = b""

    def all_heard() -> bool:
        nonlocal heard
        heard += server.hear()
        return len(heard) >= 1024

    await until(all_heard)
    assert heard == EVERY_BYTE * 4
    os.write(server.master, EVERY_BYTE)
    assert await read_exactly(transport, 256) == EVERY_BYTE


@pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")  # pyserial 3.5 on Python 3.10 and later
async def test_pyserial_s_client_works_against_our_server() -> None:
    async with served(SerialServer()) as server:

        def talk() -> bytes:
            client = serial.serial_for_url(f"rfc2217://127.0.0.1:{server.port}", baudrate=19200, timeout=5)
            with client:
                client.write(EVERY_BYTE)
                heard: bytes = client.read(256)
                return heard

        async def answer() -> None:
            await until(lambda: len(server.heard) == 256)
            await server.say(bytes(server.heard))

        heard, _ = await asyncio.gather(asyncio.to_thread(talk), answer())
    assert heard == EVERY_BYTE
    assert int.from_bytes(server.settings[1]) == 19200
