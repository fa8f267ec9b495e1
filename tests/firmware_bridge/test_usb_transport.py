import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import DeviceState
from device_profiles.catalog import load_catalog
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import Usb
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports._usb_address import UsbAddress
from firmware_bridge.transports.serial import SerialTransport
from firmware_bridge.transports.usb import UsbTransport
from simulators.peripherals import build_peer
from tests.builders.usb_backend import Bus, Device

PROFILE = load_catalog().peripheral("sdt-sam-v-usb")
MODEL = (0x0400, 0xC35A)
READ = CAPABILITIES["id_reader"].commands["read"]
FIND, NO_CARD = bytes.fromhex("AAAAAA9669000320 0122"), bytes.fromhex("AAAAAA96690004 00008084")


@dataclass
class Bench:
    device: Device
    bus: Bus
    transport: UsbTransport
    driver: Driver

    def press(self, button: str, **arguments: object) -> None:
        self.device.peer.buttons[button](**arguments)


def reader(place: tuple[int, tuple[int, ...]] = (1, (2, 3))) -> Device:
    return Device(build_peer(PROFILE, seed=1, shared={}, speed=20), model=MODEL, place=place, header=PROFILE.usb.header)


@asynccontextmanager
async def connected() -> AsyncIterator[Bench]:
    threads = threading.active_count()
    device = reader()
    bus = Bus(device)
    transport = UsbTransport(UsbAddress("0400:c35a"), PROFILE.usb, bus)
    await transport.open()
    try:
        async with asyncio.timeout(20):
            yield Bench(device, bus, transport, load_driver(PROFILE, transport))
    finally:
        await transport.close()
    assert bus.open_handles == 0
    assert device.claimed_by is None
    assert threading.active_count() == threads


async def read(bench: Bench, wait_s: float = 5.0) -> IdDocument:
    document = await bench.driver.execute(READ, READ.args.model_validate({"wait_s": wait_s}))
    assert isinstance(document, IdDocument)
    return document


async def test_a_reader_is_identified_and_on_line() -> None:
    async with connected() as bench:
        assert (await bench.driver.identify()).model == "SAM_V"
        assert (await bench.driver.status()).device is DeviceState.ONLINE


@pytest.mark.parametrize("kind", ["citizen", "hk_macao_taiwan", "foreigner_2017", "foreigner_2023"])
async def test_every_kind_of_document_is_read(kind: str) -> None:
    async with connected() as bench:
        bench.press("insert_card", person="p003", kind=kind)
        assert (await read(bench)).kind == kind


async def test_header_and_body_are_transfers_of_their_own_in_both_directions() -> None:
    async with connected() as bench:
        await bench.transport.write(FIND)
        assert await bench.transport.read() == NO_CARD
        assert bench.device.transfers == [(0x02, 7), (0x06, 3)]


async def test_bytes_that_nobody_wants_are_dropped() -> None:
    async with connected() as bench:
        await bench.transport.write(FIND)
        await asyncio.wait_for(bench.transport._arrived.wait(), 5)
        assert bench.transport.discard_input() == len(NO_CARD)
        assert bench.transport.discard_input() == 0


async def test_pulling_the_plug_ends_a_wait_for_a_card_at_once() -> None:
    async with connected() as bench:
        await bench.driver.identify()
        asyncio.get_running_loop().call_later(0.1, bench.device.unplug)
        with pytest.raises(TransportLost, match="disconnected"):
            await read(bench, wait_s=60)


async def test_pulling_the_plug_ends_a_read_at_once() -> None:
    async with connected() as bench:
        asyncio.get_running_loop().call_later(0.05, bench.device.unplug)
        with pytest.raises(TransportLost):
            await bench.transport.read()
        with pytest.raises(TransportLost):
            await bench.transport.write(FIND)
        with pytest.raises(TransportLost):
            bench.transport.discard_input()


async def test_the_same_device_plugged_in_again_works() -> None:
    async with connected() as bench:
        await bench.driver.identify()
        bench.device.unplug()
        with pytest.raises(TransportLost):
            await bench.driver.status()
        bench.device.plugged = True
        bench.device.claimed_by = None  # the system forgets who had what was unplugged
        await bench.transport.open()
        await bench.driver.identify()


async def test_the_loop_turns_while_the_device_is_silent() -> None:
    async with connected() as bench:
        waiting = asyncio.ensure_future(bench.transport.read())
        gaps = []
        loop = asyncio.get_running_loop()
        before = loop.time()
        for _ in range(50):
            await asyncio.sleep(0.002)
            now = loop.time()
            gaps.append(now - before)
            before = now
        assert not waiting.done()
        assert sorted(gaps)[40] < 0.1  # libusb waits in steps of 0.25 s
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_cancelled_write_does_not_part_a_frame() -> None:
    async with connected() as bench:
        writing = asyncio.ensure_future(bench.transport.write(FIND))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        await bench.transport.write(FIND)
        async with asyncio.timeout(5):
            data = b""
            while len(data) < 2 * len(NO_CARD):
                data += await bench.transport.read()
        assert data == NO_CARD * 2


async def test_a_device_that_takes_no_bytes_is_a_time_out() -> None:
    async with connected() as bench:
        bench.device.stalled = True
        with pytest.raises(LinkTimeout, match="took no bytes"):
            await bench.transport.write(FIND)


async def test_closing_twice_is_allowed_and_nothing_works_after_it() -> None:
    async with connected() as bench:
        await bench.transport.close()
        await bench.transport.close()
        with pytest.raises(TransportLost, match="closed"):
            await bench.transport.write(FIND)
        with pytest.raises(TransportLost, match="closed"):
            await bench.transport.read()


async def test_a_device_that_somebody_else_uses_cannot_be_opened() -> None:
    async with connected() as bench:
        second = UsbTransport(UsbAddress("0400:c35a"), PROFILE.usb, bench.bus)
        with pytest.raises(TransportLost, match="nobody else uses"):
            await second.open()
        assert bench.bus.open_handles == 1


async def test_no_libusb_on_the_system_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import usb.backend.libusb0
    import usb.backend.libusb1
    import usb.backend.openusb

    for module in (usb.backend.libusb0, usb.backend.libusb1, usb.backend.openusb):
        monkeypatch.setattr(module, "get_backend", lambda *_args: None)
    with pytest.raises(TransportLost, match=r"libusb-1\.0"):
        await UsbTransport(UsbAddress("0400:c35a"), PROFILE.usb).open()


async def test_a_device_with_other_endpoints_is_another_model() -> None:
    plain = Device(build_peer(PROFILE, seed=1, shared={}), model=MODEL, place=(1, (1,)), header=0)
    with pytest.raises(TransportLost, match="02, 06, 85"):
        await UsbTransport(UsbAddress("0400:c35a"), PROFILE.usb, Bus(plain)).open()


async def test_a_device_without_a_header_has_one_transfer_per_frame() -> None:
    plain = Device(build_peer(PROFILE, seed=1, shared={}), model=MODEL, place=(1, (1,)), header=0)
    transport = UsbTransport(UsbAddress("1-1"), Usb(), Bus(plain))
    await transport.open()
    await transport.write(FIND)
    assert await transport.read() == NO_CARD
    assert plain.transfers == [(0x01, 10)]
    await transport.close()


@pytest.mark.parametrize(
    ("address", "wanted"), [("1-2.3", 0), ("2-1", 1), ("/dev/bus/usb/001/005", 0), ("/dev/bus/usb/002/005", 1)]
)
async def test_two_of_the_same_model_are_told_apart_by_their_place(address: str, wanted: int) -> None:
    devices = [reader((1, (2, 3))), reader((2, (1,)))]
    transport = UsbTransport(UsbAddress.parse(address, []), PROFILE.usb, Bus(*devices))
    await transport.open()
    assert [device.claimed_by is not None for device in devices] == [wanted == 0, wanted == 1]
    await transport.close()


async def test_two_of_the_same_model_are_not_taken_by_their_model() -> None:
    with pytest.raises(TransportLost, match="found 2"):
        await UsbTransport(UsbAddress("0400:c35a"), PROFILE.usb, Bus(reader(), reader((2, (1,))))).open()


async def test_a_place_without_a_device_is_told() -> None:
    with pytest.raises(TransportLost, match="found none"):
        await UsbTransport(UsbAddress("1-9"), PROFILE.usb, Bus(reader())).open()


@pytest.mark.parametrize(
    ("port", "told"),
    [
        ("usb://0400:c35a", "0400:c35a"),
        ("usb://1-2.3", "1-2.3"),
        ("usb://", "0400:c35a"),
        ("/dev/reader", "/dev/reader"),
    ],
)
def test_a_port_names_a_device(port: str, told: str) -> None:
    transport = transport_for(PROFILE, port)
    assert isinstance(transport, UsbTransport)
    assert str(transport._address) == told


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ProfileError, match="vendor:product"):
        transport_for(PROFILE, "usb://somewhere")


def test_a_simulated_device_on_a_pseudo_terminal_is_a_serial_line(tmp_path: Path, a_pty: str) -> None:
    link = tmp_path / "reader"
    link.symlink_to(a_pty)
    assert isinstance(transport_for(PROFILE, str(link)), SerialTransport)


@pytest.fixture
def a_pty() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)
