"""What is special about HID reports; what every line does is in tests/contracts."""

import asyncio
import os
import tty
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from device_profiles.capabilities.model import DeviceState
from device_profiles.catalog import load_catalog
from device_profiles.schema.peripheral import Hid
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports import hid
from firmware_bridge.transports.hid import HidTransport
from simulators.hid_reports import in_reports
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort
from tests.contracts.transport_ends import read_exactly


class Node:
    """A pseudo-terminal that stands for a hidraw node: what is written there at once is one report."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(hid, "is_pty", lambda fd: False)
    node = Node()
    yield node
    node.close()


async def test_a_node_gets_whole_reports_with_the_id_zero_in_front(node: Node) -> None:
    transport = HidTransport(node.path, Hid(out_bytes=8, in_bytes=8, length="first_byte"))
    await transport.open()
    await transport.write(b"0123456789")
    assert os.read(node.master, 100) == b"\0\x070123456\0\x03789\0\0\0\0"
    os.write(node.master, b"\x03abcdefg")
    assert await read_exactly(transport, 3) == b"abc"
    await transport.close()


async def test_reports_of_another_function_of_the_device_are_left_alone(node: Node) -> None:
    transport = HidTransport(node.path, Hid(in_bytes=4, in_id=2))
    await transport.open()
    os.write(node.master, b"\x07keys")
    await asyncio.sleep(0)
    assert transport.discard_input() == 0
    os.write(node.master, b"\x02code")
    assert await read_exactly(transport, 4) == b"code"
    await transport.close()


async def test_a_device_that_takes_no_report_is_given_up_without_holding_the_loop(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel waits for a hung device inside write: here, until somebody reads from a pipe that is full."""
    reader, writer = os.pipe()
    real = os.write
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            real(writer, bytes(65536))
    os.set_blocking(writer, True)

    def stuck(fd: int, report: bytes) -> None:
        os.close(fd)
        real(writer, report)

    monkeypatch.setattr(hid, "_write_and_close", stuck)
    transport = HidTransport(node.path, Hid(), stall_s=0.05)
    await transport.open()
    with pytest.raises(LinkTimeout, match="take a report"):
        await transport.write(b"x")
    with pytest.raises(TransportLost, match="takes no reports"):
        await transport.write(b"x")
    await transport.close()
    os.read(reader, 1 << 20)
    await asyncio.get_running_loop().shutdown_default_executor()
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("length", ["none", "first_byte", "report_id"])
async def test_a_driver_works_over_reports(length: str, tmp_path: Path) -> None:
    serial = load_catalog().peripheral("grow-gm65")
    hid = Hid.model_validate({"in_bytes": 63, "out_bytes": 16, "length": length})
    profile = serial.model_copy(update={"attachment": "hid", "hid": hid})
    port = PtyPort(in_reports(build_peer(profile, seed=1, shared={}), profile), tmp_path / "hidraw")
    port.plug()
    transport = transport_for(profile, str(port.link))
    await transport.open()
    try:
        driver = load_driver(profile, transport)
        assert (await driver.identify()).model
        assert (await driver.status()).device is DeviceState.ONLINE
    finally:
        await transport.close()
        port.unplug()


async def test_a_path_that_is_no_node_is_refused() -> None:
    with pytest.raises(TransportLost, match="hidraw node"):
        await HidTransport("/no/such/node", Hid()).open()
