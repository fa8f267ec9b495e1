"""What people are told of every slot: which device, how it was found, why not."""

from pathlib import Path

from device_profiles.schema.peripheral import Match
from edge_agent.addresses import parse_address
from edge_agent.devices.matching import Want
from edge_agent.devices.report import SlotReport, devices_of_no_slot, report_slots
from tests.builders.usb_bus import UsbBus
from tests.edge_agent.fakes import PROFILE_OF, VirtualClock

PRINTER = PROFILE_OF["printer"].model_copy(update={"match": Match(usb=["1a86:7523"])})


def reported(bus: UsbBus, **addresses: str) -> dict[str, SlotReport]:
    clock = VirtualClock()
    wants = {slot: Want(PRINTER, parse_address(address)) for slot, address in addresses.items()}
    return report_slots(wants, bus.source(clock), clock)


def test_a_device_that_is_found(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    bus.plug("ttyUSB4", path="1-1.2", serial="FT1")
    found = reported(bus, a="usb:path=1-1.2")["a"]
    assert found == SlotReport(
        True, str(bus.dev / "ttyUSB4"), "Bridge: usb 1a86:7523, path 1-1.2, serial FT1", problem=""
    )


def test_a_file_tells_what_it_leads_to(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    plugged = bus.plug("ttyUSB4")
    (tmp_path / "printer").symlink_to(plugged.node)
    found = reported(bus, a=str(tmp_path / "printer"))["a"]
    assert found.how == f"a file -> {plugged.node}"


def test_what_is_missing_wrong_or_unclear_says_why(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    bus.plug("ttyUSB0", path="1-1.1")
    bus.plug("ttyUSB1", path="1-1.2")
    bus.plug("ttyUSB2", path="1-1.3", usb_id="046d:c31c")
    found = reported(bus, a="usb:path=1-9", b="usb:path=1-1.3", c="usb", d="tcp://10.0.0.7:4001")
    assert found["a"].problem == "not plugged in"
    assert "expected" in found["b"].problem
    assert "046d:c31c" in found["b"].problem
    assert "nobody can tell which" in found["c"].problem
    assert found["d"].present
    assert "when the agent connects" in found["d"].how


def test_what_no_slot_uses_is_named(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    bus.plug("ttyUSB0", path="1-1.1")
    bus.plug("ttyUSB1", path="1-1.2")
    found = reported(bus, a="usb:path=1-1.1")
    assert [device.path for device in devices_of_no_slot(found, bus.source(VirtualClock()))] == ["1-1.2"]
