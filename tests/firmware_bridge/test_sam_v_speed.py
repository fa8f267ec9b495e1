"""A module that was left at another speed, over a real line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from device_profiles.capabilities.model import DeviceState
from device_profiles.catalog import load_catalog
from firmware_bridge.clock import SystemClock
from firmware_bridge.drivers.sam_v import Driver, open_driver
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.transports.serial import SerialTransport
from simulators.peripherals.peer import Surroundings
from simulators.peripherals.sam_v import SamV
from simulators.pty_port import PtyPort

PROFILE = load_catalog().peripheral("sdt-sam-v")
QUICK = PROFILE.model_copy(update={"timing": PROFILE.timing.model_copy(update={"reply_ms": 200})})


@asynccontextmanager
async def connected(
    folder: Path, left_at: int, wanted: int = 115200, deaf: bool = False
) -> AsyncIterator[tuple[SamV, Driver, SerialTransport]]:
    profile = QUICK.model_copy(update={"line": QUICK.line.model_copy(update={"baud": wanted})})
    peer = SamV(Surroundings(profile, seed=1, speed=10))
    peer.buttons["set_baud"](left_at)
    port = PtyPort(peer, folder / "reader", listens_at=lambda: 300 if deaf else peer.baud)
    port.plug()
    transport = SerialTransport(str(port.link), profile.line)
    await transport.open()
    try:
        async with asyncio.timeout(20):
            yield peer, open_driver(profile, transport, SystemClock()), transport
    finally:
        await transport.close()
        port.unplug()


@pytest.mark.parametrize("left_at", [115200, 57600, 38400, 19200, 9600])
@pytest.mark.parametrize("wanted", [115200, 9600])
async def test_a_module_at_any_speed_is_found_and_brought_to_the_profile_s(
    tmp_path: Path, left_at: int, wanted: int
) -> None:
    async with connected(tmp_path, left_at, wanted) as (peer, driver, _transport):
        assert (await driver.identify()).model == "SAM_V"
        assert peer.baud == wanted
        assert (await driver.status()).device is DeviceState.ONLINE


async def test_a_silent_module_is_a_time_out_and_leaves_the_line_at_the_profile_s_speed(tmp_path: Path) -> None:
    async with connected(tmp_path, 115200, deaf=True) as (_peer, driver, transport):
        with pytest.raises(LinkTimeout):
            await driver.identify()
        assert transport._line.baud == 115200


async def test_a_speed_without_a_name_is_refused_and_a_closed_line_has_none(tmp_path: Path) -> None:
    async with connected(tmp_path, 115200) as (_peer, _driver, transport):
        with pytest.raises(TransportLost, match="12345"):
            transport.set_baud(12345)
        await transport.close()
        with pytest.raises(TransportLost, match="closed"):
            transport.set_baud(9600)
