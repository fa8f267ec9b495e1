"""Which slot gets which device, and what is said when nobody can tell."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.schema.peripheral import Match, PeripheralProfile
from edge_agent.addresses import parse_address
from edge_agent.devices.matching import Scene, Want, sight
from edge_agent.ports import Device, Sighting

BRIDGE = "1a86:7523"


def profile(name: str, *, usb: tuple[str, ...] = (), identify: str = "") -> PeripheralProfile:
    return PeripheralProfile(
        id=name,
        name=name.upper(),
        capability="printer",
        driver="escpos",
        support="simulated",
        source="this test",
        match=Match(usb=list(usb), identify=identify),
    )


PRINTER = profile("printer", usb=("0416:5011",))
SCANNER = profile("scanner", usb=("0416:5011",), identify="^GM65")
PAD = profile("pad", usb=(BRIDGE,), identify="^PAD")
LAMP = profile("lamp", usb=(BRIDGE,), identify="^LAMP")
DUMB = profile("dumb", usb=(BRIDGE,))


def device(number: int, path: str, usb_id: str = BRIDGE, serial: str = "", interface: int = 0) -> Device:
    node = f"/dev/ttyUSB{number}"
    return Device("tty", node, usb_id, serial, path, interface, "Bridge", f"{path} {number} {interface}")


def found(
    slot: str,
    wants: Mapping[str, tuple[PeripheralProfile, str]],
    *devices: Device,
    held: Mapping[str, str] | None = None,
    passed_over: tuple[str, ...] = (),
) -> Sighting:
    all_wants = {name: Want(made_for, parse_address(text)) for name, (made_for, text) in wants.items()}
    return sight(slot, Scene(all_wants, devices, held or {}), passed_over)


def words(sighting: Sighting) -> str:
    assert sighting.refusal is not None
    assert not sighting.addresses
    return sighting.refusal.words


def test_the_only_device_of_the_profile_is_found() -> None:
    other = device(0, "1-1", "ffff:0001")
    assert found("a", {"a": (PRINTER, "usb")}, other).empty
    here = found("a", {"a": (PRINTER, "usb")}, other, device(1, "1-2", "0416:5011"))
    assert here.addresses == ("/dev/ttyUSB1",)
    assert here.certain


def test_two_of_one_model_are_told_apart_by_their_sockets() -> None:
    wants = {"a": (PAD, "usb:path=1-1.2"), "b": (PAD, "usb:path=1-1.3")}
    devices = device(0, "1-1.3"), device(1, "1-1.2")
    assert found("a", wants, *devices).addresses == ("/dev/ttyUSB1",)
    assert found("b", wants, *devices).addresses == ("/dev/ttyUSB0",)


def test_and_by_their_serial_numbers_in_whatever_socket() -> None:
    wants = {"a": (PAD, "usb:serial=A"), "b": (PAD, "usb:serial=B")}
    devices = device(0, "1-1", serial="B"), device(1, "2-4", serial="A")
    assert found("a", wants, *devices).addresses == ("/dev/ttyUSB1",)
    assert found("b", wants, *devices).addresses == ("/dev/ttyUSB0",)


def test_a_device_that_an_exact_address_names_is_offered_to_nobody_else() -> None:
    wants = {"a": (PAD, "usb:path=1-1"), "b": (DUMB, "usb")}
    assert found("b", wants, device(0, "1-1")).empty
    assert found("b", wants, device(0, "1-1"), device(1, "1-2")).addresses == ("/dev/ttyUSB1",)


def test_nor_one_that_a_file_names() -> None:
    wants = {"a": (PAD, "/dev/ttyUSB0"), "b": (DUMB, "usb")}
    assert found("b", wants, device(0, "1-1"), device(1, "1-2")).addresses == ("/dev/ttyUSB1",)


def test_another_kind_of_device_in_the_socket_is_refused_with_words() -> None:
    said = found("a", {"a": (PRINTER, "usb:path=1-1.2")}, device(0, "1-1.2"))
    assert said.refusal is not None
    assert said.refusal.fault.code == "wrong_device"
    for part in ("ports.a", "PRINTER", "0416:5011", BRIDGE, "/dev/ttyUSB0", "add id=1a86:7523"):
        assert part in words(said)


def test_a_bridge_in_front_of_it_can_be_named() -> None:
    wants = {"a": (PRINTER, f"usb:id={BRIDGE},path=1-1.2")}
    assert found("a", wants, device(0, "1-1.2")).addresses == ("/dev/ttyUSB0",)


def test_two_of_one_model_that_nothing_tells_apart_are_refused_with_words() -> None:
    wants = {"a": (PAD, "usb"), "b": (PAD, "usb")}
    for slot in wants:
        said = found(slot, wants, device(0, "1-1.2"), device(1, "1-1.3"))
        assert said.refusal is not None
        assert said.refusal.fault.code == "ambiguous_device"
        for part in ("ports.a", "ports.b", "/dev/ttyUSB0", "/dev/ttyUSB1", "usb:path=1-1.2"):
            assert part in words(said)


def test_one_device_for_two_slots_of_the_same_model_is_refused_as_well() -> None:
    wants = {"a": (PAD, "usb"), "b": (PAD, "usb")}
    assert "may both be" in words(found("a", wants, device(0, "1-1.2")))


def test_different_models_behind_the_same_bridge_are_asked_who_they_are() -> None:
    wants = {"a": (PAD, "usb"), "b": (LAMP, "usb")}
    devices = device(0, "1-1.2"), device(1, "1-1.3")
    here = found("a", wants, *devices)
    assert here.addresses == ("/dev/ttyUSB0", "/dev/ttyUSB1")
    assert not here.certain
    assert found("a", wants, *devices, passed_over=(devices[0].mark,)).addresses == ("/dev/ttyUSB1",)
    assert found("a", wants, *devices, held={devices[0].mark: "b"}).addresses == ("/dev/ttyUSB1",)
    assert found("a", wants, *devices, held={devices[0].mark: "b"}).certain
    assert found("b", wants, *devices, held={devices[0].mark: "b"}).addresses == ("/dev/ttyUSB0",)


def test_unless_one_of_them_cannot_say_who_it_is() -> None:
    wants = {"a": (PAD, "usb"), "b": (DUMB, "usb")}
    assert "nobody can tell which" in words(found("a", wants, device(0, "1-1.2")))
    assert "nobody can tell which" in words(found("b", wants, device(0, "1-1.2")))


def test_several_ports_of_one_device_are_told_apart_by_interface() -> None:
    devices = [device(number, "1-1", "0403:6011", "FT1", interface=number) for number in range(4)]
    said = words(found("a", {"a": (PAD, "usb:id=0403:6011,serial=FT1")}, *devices))
    assert "interface=0 or interface=1 or interface=2 or interface=3" in said
    wants = {"a": (PAD, "usb:id=0403:6011,serial=FT1,interface=2")}
    assert found("a", wants, *devices).addresses == ("/dev/ttyUSB2",)


def test_two_slots_that_name_one_device_in_two_ways_are_refused() -> None:
    wants = {"a": (PAD, "usb:path=1-1"), "b": (LAMP, "usb:serial=X")}
    said = words(found("a", wants, device(0, "1-1", serial="X")))
    for part in ("ports.a (usb:path=1-1)", "ports.b (usb:serial=X)", "/dev/ttyUSB0"):
        assert part in said


def test_slots_on_one_shared_line_name_it_in_the_same_way() -> None:
    wants = {"a": (PAD, "usb:path=1-1"), "b": (LAMP, "usb:path=1-1")}
    assert found("a", wants, device(0, "1-1")).addresses == found("b", wants, device(0, "1-1")).addresses


@given(st.permutations(range(4)), st.permutations(["1-1.1", "1-1.2", "1-1.3", "1-1.4"]))
def test_renumbering_changes_nothing(numbers: list[int], sockets: list[str]) -> None:
    wants = {f"s{n}": (PAD, f"usb:path=1-1.{n}") for n in range(1, 5)}
    devices = [device(number, socket) for number, socket in zip(numbers, sockets, strict=True)]
    for n in range(1, 5):
        [expected] = [item.node for item in devices if item.path == f"1-1.{n}"]
        assert found(f"s{n}", wants, *devices).addresses == (expected,)


ADDRESSES = st.sampled_from(
    ["usb", "usb:path=1-1.1", "usb:path=1-1.2", "usb:serial=A", f"usb:id={BRIDGE}", "/dev/ttyUSB1"]
)
DEVICES = st.lists(
    st.builds(
        device,
        st.integers(0, 5),
        st.sampled_from(["1-1.1", "1-1.2", "1-1.3"]),
        st.sampled_from([BRIDGE, "0416:5011"]),
        st.sampled_from(["", "A"]),
    ),
    max_size=4,
    unique_by=lambda item: item.node,
)


@given(
    st.dictionaries(
        st.sampled_from("abc"), st.tuples(st.sampled_from([PRINTER, SCANNER, PAD, LAMP, DUMB]), ADDRESSES), min_size=1
    ),
    DEVICES,
)
def test_no_device_is_certain_for_two_slots(
    wants: dict[str, tuple[PeripheralProfile, str]], devices: list[Device]
) -> None:
    certain: dict[str, str] = {}
    for slot in wants:
        here = found(slot, wants, *devices)
        assert here.refusal is None or (here.refusal.words and not here.addresses)
        if here.certain:
            assert len(here.addresses) <= 1
            for node in here.addresses:
                owner = certain.setdefault(node, slot)
                same_line = wants[owner][1] == wants[slot][1]
                assert owner == slot or same_line or wants[slot][1].startswith("/")


@pytest.mark.parametrize("attachment", ["folder", "shared"])
def test_an_attachment_without_device_files_finds_nothing(attachment: str) -> None:
    strange = PAD.model_copy(update={"attachment": attachment})
    assert found("a", {"a": (strange, "usb:path=1-1")}, device(0, "1-1")).empty
