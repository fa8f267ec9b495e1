"""What is read from /sys, and how often."""

from pathlib import Path

from edge_agent.devices.choice import choose_source
from edge_agent.devices.sysfs import FRESH_S, SysfsSource, stable_names
from tests.builders.usb_bus import UsbBus
from tests.edge_agent.fakes import VirtualClock


def test_a_device_says_where_it_is_plugged_in(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    bus.plug("ttyUSB3", path="1-1.4.2", usb_id="0403:6011", serial="FT 4XK9", interface=2)
    found = bus.source(VirtualClock()).devices()
    assert [(d.subsystem, d.usb_id, d.path, d.serial, d.interface) for d in found] == [
        ("tty", "0403:6011", "1-1.4.2", "FT_4XK9", 2)
    ]
    assert found[0].node == str(bus.dev / "ttyUSB3")
    assert "path 1-1.4.2, serial FT_4XK9, interface 2" in str(found[0])


def test_what_is_no_hardware_or_has_no_file_is_left_out(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    bus.plug("ttyUSB0").node.unlink()
    virtual = bus.sys / "class" / "tty" / "tty7"
    virtual.mkdir()
    (bus.dev / "tty7").touch()
    assert list(bus.source(VirtualClock()).devices()) == []


def test_of_an_input_device_only_its_events_count(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    bus.plug("event4", subsystem="input", path="1-2")
    bus.plug("mouse0", subsystem="input", path="1-3")
    bus.plug("hidraw1", subsystem="hidraw", path="1-4")
    found = bus.source(VirtualClock(), "input", "hidraw").devices()
    assert [device.path for device in found] == ["1-4", "1-2"]


def test_a_camera_s_metadata_file_is_left_out(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    for index in (0, 1):
        plugged = bus.plug(f"video{index}", subsystem="video4linux", path=f"1-{index + 1}")
        (plugged.listed / "index").write_text(f"{index}\n")
    found = bus.source(VirtualClock(), "video4linux").devices()
    assert [Path(device.node).name for device in found] == ["video0"]


def test_a_whole_usb_device_has_a_file_by_bus_and_number(tmp_path: Path) -> None:
    bus = UsbBus(tmp_path)
    folder = bus.plug("ttyUSB0", path="1-2").folder
    (folder / "busnum").write_text("1\n")
    (folder / "devnum").write_text("7\n")
    listing = bus.sys / "bus" / "usb" / "devices"
    listing.mkdir(parents=True)
    (listing / "1-2").symlink_to(folder)
    (listing / "1-2:1.0").symlink_to(folder / "1-2:1.0")
    node = bus.dev / "bus" / "usb" / "001" / "007"
    node.parent.mkdir(parents=True)
    node.touch()
    assert [device.node for device in bus.source(VirtualClock(), "usb").devices()] == [str(node)]


def test_it_looks_at_most_once_a_second(tmp_path: Path) -> None:
    bus, clock = UsbBus(tmp_path), VirtualClock()
    source = bus.source(clock)
    assert not source.devices()
    plugged = bus.plug()
    assert not source.devices()
    clock.advance(FRESH_S)
    assert len(source.devices()) == 1
    bus.unplug(plugged)
    clock.advance(FRESH_S)
    assert not source.devices()


def test_plugged_in_again_is_another_mark(tmp_path: Path) -> None:
    bus, clock = UsbBus(tmp_path), VirtualClock()
    source = bus.source(clock)
    plugged = bus.plug()
    first = source.devices()[0].mark
    bus.unplug(plugged)
    bus.plug()
    clock.advance(FRESH_S)
    assert source.devices()[0].mark != first


def test_stable_names_lead_to_device_files(tmp_path: Path) -> None:
    folder = tmp_path / "serial" / "by-path"
    folder.mkdir(parents=True)
    (tmp_path / "ttyUSB0").touch()
    (folder / "pci-0000:00:14.0-usb-0:1.2:1.0-port0").symlink_to("../../ttyUSB0")
    assert stable_names(tmp_path) == {str(tmp_path / "ttyUSB0"): str(folder / "pci-0000:00:14.0-usb-0:1.2:1.0-port0")}


def test_without_udev_the_agent_polls(tmp_path: Path) -> None:
    assert isinstance(choose_source(["tty"], VirtualClock(), tmp_path / "control"), SysfsSource)
    assert choose_source([], VirtualClock()).name == "polling /sys"
