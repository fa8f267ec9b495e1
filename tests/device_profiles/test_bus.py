"""Slots that share a line."""

from pathlib import Path

import pytest

from device_profiles.catalog import find_problems, load_catalog

DEVICE = """
name = "A device"
capability = "caller"
driver = "hdp_caller"
support = "simulated"
source = "test"
"""
MACHINE = """
kind = "counter_set"
name_zh = "机"
name_en = "Counter"
[slots.caller]
peripheral = "hdp-caller"
bus = "counter"
[slots.other]
peripheral = "{}"
bus = "{}"
"""


def folder(tmp_path: Path, device: str, peripheral: str = "other", bus: str = "counter") -> Path:
    for kind, text in (("peripherals", DEVICE + device), ("machines", MACHINE.format(peripheral, bus))):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "other.toml").write_text(text, "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("device", "said"),
    [
        pytest.param("[line]\nbaud = 9600\n[options]\nunit = 7", "line of slot caller", id="another speed"),
        pytest.param("[line]\nbaud = 19200\n[options]\nunit = 3", "got 3, which slot caller has too", id="same unit"),
        pytest.param("[line]\nbaud = 19200", "options.unit", id="no unit"),
        pytest.param(
            'attachment = "hid"\n[line]\nbaud = 19200\n[options]\nunit = 7',
            "attachment of slot caller",
            id="not serial",
        ),
    ],
)
def test_devices_that_cannot_share_a_line_are_named(tmp_path: Path, device: str, said: str) -> None:
    (problem,) = find_problems(folder(tmp_path, device))
    assert "slots.other" in problem
    assert said in problem


def test_devices_of_one_line_are_listed_by_bus(tmp_path: Path) -> None:
    machine = load_catalog(folder(tmp_path, "[line]\nbaud = 19200\n[options]\nunit = 7")).machine("other")
    assert machine.buses() == {"counter": ["caller", "other"]}


def test_another_bus_is_another_line(tmp_path: Path) -> None:
    assert find_problems(folder(tmp_path, "", bus="desk")) == []


def test_the_name_of_a_bus_is_a_name(tmp_path: Path) -> None:
    (problem, *_) = find_problems(folder(tmp_path, "[line]\nbaud = 19200\n[options]\nunit = 7", bus="Counter 1"))
    assert "slots.other.bus" in problem
