"""Every room says what it is for, and every profile has its simulator and its vectors."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from device_profiles.catalog import load_catalog
from scripts.peripheral_table import page_of

ROOMS = ("device_profiles", "firmware_bridge", "edge_agent", "cloud", "simulators", "tests")
CATALOG = load_catalog()
# The three HDP drivers speak one protocol: one codec, one simulator, one vector file.
PROTOCOL_OF = {
    "hdp_evaluator": "hdp",
    "hdp_display": "hdp",
    "hdp_caller": "hdp",
    "hdp_smp_evaluator": "hdp_smp",
    "hdp_smp_display": "hdp_smp",
    "hdp_smp_caller": "hdp_smp",
    "modbus_auxiliaries": "modbus",
    "modbus_lights": "modbus",
}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_a_readme_of_at_most_one_page(repo_root: Path, room: str) -> None:
    lines = (repo_root / room / "README.md").read_text().splitlines()
    assert 5 <= len(lines) <= 80


@pytest.mark.parametrize("profile_id", sorted(CATALOG.peripherals))
def test_a_peripheral_has_driver_simulator_and_vectors(repo_root: Path, profile_id: str) -> None:
    driver = CATALOG.peripheral(profile_id).driver
    protocol = PROTOCOL_OF.get(driver, driver)
    assert find_spec(f"firmware_bridge.drivers.{driver}"), f"{profile_id}: no driver {driver}"
    assert find_spec(f"simulators.peripherals.{protocol}"), f"{profile_id}: no simulator {protocol}"
    assert (repo_root / "tests" / "vectors" / f"{protocol}.toml").exists(), f"{profile_id}: no vectors for {protocol}"


@pytest.mark.parametrize("driver", sorted({profile.driver for profile in CATALOG.peripherals.values()}))
def test_a_driver_has_a_page(repo_root: Path, driver: str) -> None:
    lines = (repo_root / "docs" / "peripherals" / page_of(driver)).read_text().splitlines()
    assert lines[0].startswith("# ")
    assert len(lines) <= 120


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/walk-through.md"])
def test_every_relative_link_and_path_of_a_document_exists(repo_root: Path, document: str) -> None:
    file = repo_root / document
    links = re.findall(r"\]\(([^)#:]+)\)", file.read_text())
    assert links
    missing = [link for link in links if not (file.parent / link).exists()]
    assert not missing


def test_every_place_named_in_the_readme_exists(repo_root: Path) -> None:
    text = (repo_root / "README.md").read_text()
    table = text.split("## Where do I change", 1)[1].split("## Add a device", 1)[0]
    places = [place for place in re.findall(r"`([a-z_/]+(?:\.[a-z]+)?)`", table) if "/" in place]
    assert len(places) >= 15
    missing = [place for place in places if not (repo_root / place).exists()]
    assert not missing
