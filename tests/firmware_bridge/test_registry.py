import pytest

from device_profiles.catalog import load_catalog
from device_profiles.errors import ProfileError
from firmware_bridge.registry import driver_names, load_driver
from tests.firmware_bridge.test_link import Line

READER = load_catalog().peripheral("sdt-sam-v")


def test_every_profile_names_a_driver_that_is_there() -> None:
    assert {profile.driver for profile in load_catalog().peripherals.values()} <= set(driver_names())


def test_an_unknown_driver_is_named_beside_the_known_ones() -> None:
    line = Line()
    with pytest.raises(ProfileError, match="sam_v"):
        load_driver(READER.model_copy(update={"driver": "sam_w"}), line.transport, line.clock)


def test_a_driver_of_another_capability_is_refused() -> None:
    line = Line()
    with pytest.raises(ProfileError, match="id_reader"):
        load_driver(READER.model_copy(update={"capability": "printer"}), line.transport, line.clock)


def test_a_wrong_option_is_named_with_the_options_there_are() -> None:
    line = Line()
    with pytest.raises(ProfileError, match=r"find_msec.*find_ms"):
        load_driver(READER.model_copy(update={"options": {"find_msec": 300}}), line.transport, line.clock)
