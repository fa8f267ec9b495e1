"""A folder of pictures in the place of a camera."""

import shutil
from pathlib import Path

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.camera import LivenessOutput
from device_profiles.catalog import load_catalog
from firmware_bridge.drivers import Driver
from firmware_bridge.drivers.camera import Driver as Camera
from firmware_bridge.errors import DeviceFault, TransportLost
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports import Transport
from simulators.peripherals.camera import GREY_PATCH

CHECK = CAPABILITIES["camera"].commands["check_liveness"]
PROFILE = load_catalog().peripheral("picture-folder")


def picture(mark: bytes) -> bytes:
    comment = b"\xff\xfe" + (len(mark) + 2).to_bytes(2, "big") + mark
    return GREY_PATCH[:2] + comment + GREY_PATCH[2:]


def fill(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        (folder / name.replace("_", ".")).write_bytes(data)


async def opened(folder: Path) -> tuple[Camera, Transport]:
    transport = transport_for(PROFILE, str(folder))
    await transport.open()
    driver: Driver = load_driver(PROFILE, transport)
    assert isinstance(driver, Camera)
    return driver, transport


async def test_pictures_come_in_the_order_of_their_names_and_then_again(tmp_path: Path) -> None:
    fill(tmp_path, b_jpg=picture(b"2"), a_jpeg=picture(b"1"), c_txt=b"no picture", d_JPG=picture(b"3"))
    driver, transport = await opened(tmp_path)
    assert (await driver.identify()).model == "folder of 3 pictures"
    seen = [(await driver.picture(5)).data for _ in range(4)]
    assert seen == [picture(b"1"), picture(b"2"), picture(b"3"), picture(b"1")]
    await transport.close()


@pytest.mark.parametrize(
    ("text", "told"),
    [("live 0.97\n", (True, 0.97)), ("spoof 1", (False, 1.0)), ("unknown", (None, 0.0)), ("perhaps", (None, 0.0))],
)
async def test_the_verdict_stands_in_a_file_beside_the_picture(
    tmp_path: Path, text: str, told: tuple[bool | None, float]
) -> None:
    fill(tmp_path, a_jpg=picture(b"1"), a_verdict=text.encode())
    driver, transport = await opened(tmp_path)
    found = await driver.execute(CHECK, CHECK.args())
    assert isinstance(found, LivenessOutput)
    assert (found.live, found.score, found.method) == (*told, "file")
    await transport.close()


async def test_a_picture_without_a_verdict_is_undecided(tmp_path: Path) -> None:
    fill(tmp_path, a_jpg=picture(b"1"))
    driver, transport = await opened(tmp_path)
    assert await driver.execute(CHECK, CHECK.args()) == LivenessOutput(live=None, method="file")
    await transport.close()


async def test_an_empty_folder_is_a_blind_camera(tmp_path: Path) -> None:
    driver, transport = await opened(tmp_path)
    assert (await driver.status()).lens == "inoperative"
    with pytest.raises(DeviceFault, match="the folder has no pictures"):
        await driver.picture(5)
    fill(tmp_path, a_jpg=picture(b"1"))
    assert (await driver.status()).lens == "ok"
    await transport.close()


async def test_what_is_no_picture_is_refused_without_its_name(tmp_path: Path) -> None:
    fill(tmp_path, anna_jpg=picture(b"1")[:-5])
    driver, transport = await opened(tmp_path)
    with pytest.raises(DeviceFault, match="not one whole JPEG") as refused:
        await driver.picture(5)
    assert "anna" not in str(refused.value)
    await transport.close()


async def test_a_folder_that_vanishes_is_a_lost_line(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    driver, transport = await opened(folder)
    shutil.rmtree(folder)
    with pytest.raises(TransportLost, match="there is no such folder"):
        await driver.status()
    with pytest.raises(TransportLost, match="there is no such folder"):
        await transport.open()
    folder.mkdir()
    await transport.open()
    assert (await driver.status()).lens == "inoperative"
    await transport.close()
