"""What holds for every scanner with a light that the host switches. A new profile is tested by being there."""

import asyncio

import pytest

from device_profiles.catalog import load_catalog
from firmware_bridge.errors import LinkTimeout, TransportLost
from tests.builders.tampered import open_tampered

SCANNERS = sorted(
    profile.id
    for profile in load_catalog().peripherals.values()
    if profile.capability == "barcode_reader" and profile.attachment == "serial"  # a keyboard has no light
)
pytestmark = pytest.mark.parametrize("profile", SCANNERS)


async def test_a_cancelled_read_switches_the_light_off(profile: str) -> None:
    bench, line = await open_tampered(profile)
    reading = asyncio.create_task(bench.run("read", wait_s=60))
    seen: list[bool] = []
    bench.clock.at(bench.clock.monotonic() + 2, lambda: seen.append(line.snapshot()["triggered"]))
    bench.clock.at(bench.clock.monotonic() + 5, reading.cancel)
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (seen, line.snapshot()["triggered"]) == ([True], False)


async def test_a_cable_pulled_while_reading_is_a_lost_transport(profile: str) -> None:
    bench, _ = await open_tampered(profile)
    bench.clock.at(bench.clock.monotonic() + 5, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await bench.run("read", wait_s=60)


async def test_a_scanner_that_does_not_answer_the_trigger_is_a_time_out_and_not_lit(profile: str) -> None:
    bench, line = await open_tampered(profile)
    line.instead = lambda data: b""
    with pytest.raises(LinkTimeout):
        await bench.run("read", wait_s=60)
    assert line.snapshot()["triggered"] is False


async def test_what_is_held_in_front_is_read_once(profile: str) -> None:
    bench, _ = await open_tampered(profile)
    bench.press("present_code", "A012")
    assert (await bench.run("read", wait_s=20)).model_dump()["text"] == "A012"
    assert bench.peer.snapshot()["code_in_front"] is False
