"""Drivers on real time and a real pseudo-terminal, as the agent runs them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import DeviceState
from device_profiles.catalog import load_catalog
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import OutcomeUnknown, TransportLost
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.serial import SerialTransport
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort

READ = CAPABILITIES["id_reader"].commands["read"]
PRINT = CAPABILITIES["printer"].commands["print"]
TICKET = PRINT.args.model_validate(
    {"blocks": [{"kind": "text", "text": "A012"}, {"kind": "qr", "data": "https://h.example/t"}]}
)


@asynccontextmanager
async def connected(profile_id: str, folder: Path) -> AsyncIterator[tuple[Driver, PtyPort, SerialTransport]]:
    profile = load_catalog().peripheral(profile_id)
    port = PtyPort(build_peer(profile, seed=1, shared={}, speed=10), folder / "port", profile.line.baud)
    port.plug()
    transport = SerialTransport(str(port.link), profile.line)
    await transport.open()
    try:
        async with asyncio.timeout(20):
            yield load_driver(profile, transport), port, transport
    finally:
        await transport.close()
        port.unplug()


@pytest.mark.parametrize("profile_id", sorted(load_catalog().peripherals))
async def test_every_device_identifies_itself_and_is_on_line(profile_id: str, tmp_path: Path) -> None:
    async with connected(profile_id, tmp_path) as (driver, _port, _transport):
        await driver.identify()
        assert (await driver.status()).device is DeviceState.ONLINE


@pytest.mark.parametrize("profile_id", sorted(load_catalog().peripherals))
async def test_every_device_comes_back_after_the_cable_was_pulled(profile_id: str, tmp_path: Path) -> None:
    async with connected(profile_id, tmp_path) as (driver, port, transport):
        await driver.identify()
        port.unplug()
        with pytest.raises(TransportLost):
            await driver.status()
        port.plug()
        await transport.open()
        await driver.identify()
        assert (await driver.status()).device is DeviceState.ONLINE


async def test_a_card_is_read(tmp_path: Path) -> None:
    async with connected("sdt-sam-v", tmp_path) as (driver, port, _transport):
        port.press("insert_card", person="p003")
        document = await driver.execute(READ, READ.args.model_validate({"wait_s": 5}))
    assert isinstance(document, IdDocument)
    assert document.id_number.startswith("000000")


async def test_pulling_the_cable_ends_the_wait_for_a_card(tmp_path: Path) -> None:
    async with connected("sdt-sam-v", tmp_path) as (driver, port, _transport):
        asyncio.get_running_loop().call_later(0.1, port.unplug)
        with pytest.raises(TransportLost):
            await driver.execute(READ, READ.args.model_validate({"wait_s": 60}))


async def test_a_ticket_is_printed(tmp_path: Path) -> None:
    async with connected("epson-compatible-80", tmp_path) as (driver, port, _transport):
        await driver.execute(PRINT, TICKET)
        (paper,) = port.snapshot()["papers"]
    assert (paper["lines"], paper["qr"], paper["cut"]) == (["A012"], ["https://h.example/t"], True)


async def test_pulling_the_cable_while_printing_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    long = PRINT.args.model_validate({"blocks": [{"kind": "text", "text": "x"}] * 100})
    async with connected("epson-compatible-80", tmp_path) as (driver, port, _transport):
        await driver.execute(PRINT, TICKET)  # modules are loaded and the line is known to work
        before = port.snapshot()["lines_left"]

        def pull_when_it_prints() -> None:
            if port.snapshot()["lines_left"] < before:
                port.unplug()
            else:
                asyncio.get_running_loop().call_later(0.001, pull_when_it_prints)

        pull_when_it_prints()
        with pytest.raises(OutcomeUnknown):
            await driver.execute(PRINT, long)
