"""A simulated camera on a pseudo-terminal, through the transports of the real ones."""

import asyncio
from pathlib import Path

import pytest

from device_profiles.catalog import load_catalog
from firmware_bridge.codecs.camera import is_picture
from firmware_bridge.drivers.camera import Driver
from firmware_bridge.errors import TransportLost
from firmware_bridge.registry import load_driver, transport_for
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort


@pytest.mark.parametrize("profile_id", ["usb-camera", "picture-folder"])
async def test_a_simulated_camera_sits_on_a_pty(profile_id: str, tmp_path: Path) -> None:
    profile = load_catalog().peripheral(profile_id)
    port = PtyPort(build_peer(profile, seed=1, shared={}, speed=10), tmp_path / "camera")
    port.plug()
    transport = transport_for(profile, str(port.link))
    await transport.open()
    driver = load_driver(profile, transport)
    assert isinstance(driver, Driver)
    async with asyncio.timeout(20):
        port.press("set_picture_bytes", count=40_000)
        picture = await driver.picture(10)
        assert is_picture(picture.data)
        assert len(picture.data) == 40_000
        asyncio.get_running_loop().call_later(0.005, port.unplug)  # the exposure takes 0.02 s
        with pytest.raises(TransportLost):
            await driver.picture(10)
        port.plug()
        await transport.open()
        assert (await driver.status()).lens == "ok"
        await driver.close()
    port.unplug()
