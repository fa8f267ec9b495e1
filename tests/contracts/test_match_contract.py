"""How a device is recognised: every profile takes its own simulated device, and nobody else's on the same USB id."""

import re

import pytest

from device_profiles.catalog import load_catalog
from tests.builders.bench import open_bench

CATALOG = load_catalog()


@pytest.mark.parametrize("profile", sorted(CATALOG.peripherals))
async def test_a_device_is_recognised_by_its_own_profile(profile: str) -> None:
    bench = await open_bench(profile)
    identity = await bench.driver.identify()
    pattern = bench.profile.match.identify
    assert not pattern or re.search(pattern, identity.model), f"{identity.model!r} is refused by {pattern!r}"


@pytest.mark.parametrize("profile", sorted(CATALOG.peripherals))
async def test_and_by_no_other_that_waits_for_the_same_usb_id(profile: str) -> None:
    bench = await open_bench(profile)
    identity = await bench.driver.identify()
    for other in CATALOG.peripherals.values():
        if other.id != profile and set(other.match.usb) & set(bench.profile.match.usb):
            pattern = other.match.identify
            assert pattern, f"{other.id}: shares a USB id with {profile}: expected match.identify"
            assert not re.search(pattern, identity.model), f"{other.id} would take {profile}: {identity.model!r}"
