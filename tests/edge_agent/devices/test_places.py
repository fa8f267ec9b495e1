"""Files and URLs as places: what counts as another device, and what is always there."""

from pathlib import Path

from edge_agent.addresses import parse_address
from edge_agent.devices.matching import Want
from edge_agent.devices.places import FilePlace, Finder, UrlPlace, all_subsystems, subsystems_of
from edge_agent.ports import Place
from tests.builders.usb_bus import UsbBus
from tests.edge_agent.fakes import PROFILE_OF, VirtualClock


def test_a_file_that_leads_elsewhere_is_another_sighting(tmp_path: Path) -> None:
    (tmp_path / "pts3").touch()
    (tmp_path / "pts4").touch()
    link = tmp_path / "printer"
    place = FilePlace(link)
    assert place.look().empty
    link.symlink_to("pts3")
    first = place.look()
    assert first.addresses == (str(link),)
    assert place.look() == first
    link.unlink()
    link.symlink_to("pts4")
    assert place.look() != first
    (tmp_path / "pts4").unlink()
    assert place.look().empty, "a link that leads nowhere is no device"


def test_a_url_is_always_there() -> None:
    place = UrlPlace("tcp://10.0.0.7:4001")
    assert place.look().addresses == ("tcp://10.0.0.7:4001",)
    assert place.look() == place.look()


def test_what_is_held_is_offered_to_nobody_else_until_it_is_released(tmp_path: Path) -> None:
    bus, clock = UsbBus(tmp_path), VirtualClock()
    bus.plug("ttyUSB0")
    mute = PROFILE_OF["printer"].match.model_copy(update={"identify": ""})  # no model to be told apart by
    known = PROFILE_OF["printer"].model_copy(update={"match": mute})
    wants = {
        "a": Want(known.model_copy(update={"id": "x"}), parse_address("usb:id=1a86:7523")),
        "b": Want(known.model_copy(update={"id": "y"}), parse_address("usb:id=1a86:7523")),
    }
    finder = Finder(bus.source(clock), wants, clock)
    one, other = finder.place("a"), finder.place("b")
    assert one.look().refusal is not None
    one.hold(str(bus.dev / "ttyUSB0"))
    assert one.look().certain
    assert one.look().addresses
    assert other.look().empty
    one.release()
    one.release()
    assert other.look().refusal is not None


def test_what_is_passed_over_comes_back_after_a_while(tmp_path: Path) -> None:
    bus, clock = UsbBus(tmp_path), VirtualClock()
    bus.plug("ttyUSB0")
    wants = {"a": Want(PROFILE_OF["printer"], parse_address("usb:id=1a86:7523"))}
    place: Place = Finder(bus.source(clock), wants, clock).place("a")
    place.pass_over(str(bus.dev / "ttyUSB0"))
    assert place.look().empty
    clock.advance(60)
    assert not place.look().empty


def test_only_kinds_of_device_that_a_usb_address_looks_for_are_watched() -> None:
    profile = PROFILE_OF["printer"]
    wants = {"a": Want(profile, parse_address("/dev/ttyS0")), "b": Want(profile, parse_address("tcp://h:1"))}
    assert subsystems_of(wants) == []
    assert all_subsystems(wants) == ["tty"]
    assert subsystems_of({**wants, "c": Want(profile, parse_address("usb:path=1-1"))}) == ["tty"]
