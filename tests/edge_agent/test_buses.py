"""Slots of one machine whose settings name the same device."""

from pathlib import Path

import pytest

from device_profiles.errors import ConfigurationError
from edge_agent.plan import MachinePlan, plan_machine
from edge_agent.settings import EdgeSettings

MACHINE = """
kind = "counter_set"
name_zh = "机"
name_en = "Counter"
[slots.caller]
peripheral = "hdp-caller"
{bus}
[slots.display]
peripheral = "hdp-display"
{bus}
[slots.pad]
peripheral = "hdp-evaluator"
required = false
{bus}
[slots.printer]
peripheral = "epson-compatible-80"
required = false
"""


def plan(tmp_path: Path, bus: str, **ports: str) -> MachinePlan:
    (tmp_path / "machines").mkdir()
    (tmp_path / "machines" / "counter.toml").write_text(MACHINE.format(bus=bus), "utf-8")
    settings = EdgeSettings(
        machine="c1",
        profile="counter",
        broker="mqtt://127.0.0.1",
        data_dir=tmp_path / "data",
        profiles_dir=tmp_path,
        ports=ports,
    )
    return plan_machine(settings)


BUS = 'bus = "counter"'


@pytest.mark.parametrize("bus", [BUS, ""])
@pytest.mark.parametrize("port", ["/dev/ttyS0", "tcp://10.0.0.7:4001", "usb:path=1-1.2"])
def test_slots_that_name_the_same_device_share_it(tmp_path: Path, bus: str, port: str) -> None:
    slots = plan(tmp_path, bus, caller=port, display=port, printer="/dev/ttyS1").slots
    assert {name: slot.shared for name, slot in slots.items()} == {"caller": True, "display": True, "printer": False}


def test_one_unit_alone_on_its_bus_shares_nothing(tmp_path: Path) -> None:
    slots = plan(tmp_path, "", caller="/dev/ttyS0", display="/dev/ttyS1").slots
    assert not any(slot.shared for slot in slots.values())


@pytest.mark.parametrize(
    ("bus", "ports", "said"),
    [
        pytest.param(BUS, {"display": "/dev/ttyS1"}, "ports.display: slots caller and display and pad", id="two ports"),
        pytest.param(BUS, {"caller": "usb:id=1a86:7523", "display": "usb:id=1a86:7523"}, "one USB socket", id="any"),
        pytest.param(
            "", {"printer": "/dev/ttyS0", "display": "/dev/ttyS1"}, "expected the line of slot", id="by chance"
        ),
    ],
)
def test_a_line_that_cannot_be_shared_is_told_at_the_start(
    tmp_path: Path, bus: str, ports: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        plan(tmp_path, bus, **{"caller": "/dev/ttyS0", "display": "/dev/ttyS0", **ports})


def test_slots_that_take_any_device_of_a_kind_do_not_share_it(tmp_path: Path) -> None:
    slots = plan(tmp_path, "", caller="usb:id=1a86:7523", display="usb:id=1a86:7523").slots
    assert not any(slot.shared for slot in slots.values())
