"""Sensors, lights, contacts, supplies and cameras against what their documents print: no codec of ours in between."""

import pytest

from simulators.errors import ButtonRefused
from tests.simulators.bench import Bench

CLIMATE, PEOPLE, DOOR, LIGHTS = "modbus-climate", "modbus-people-counter", "modbus-door-tamper", "modbus-lights"
MEGATEC, NUT, CONTACTS, CAMERA = "megatec-ups", "nut-ups", "gpio-door-tamper", "usb-camera"


def text(bench: Bench, said: str) -> str:
    return bytes.fromhex(bench.send(said.encode())).decode("latin-1")


@pytest.mark.parametrize(
    ("profile", "asked", "answered"),
    [
        pytest.param(CLIMATE, "01 04 00 00 00 02 71 CB", "01 04 04 01 0D 01 F4 6B AC", id="26.9 C and 50.0 %"),
        pytest.param(CLIMATE, "01 04 00 05 00 01 21 CB", "01 84 02 C2 C1", id="no such register"),
        pytest.param(CLIMATE, "01 04 00 00 00 02 71 CC", "", id="wrong check value: silence"),
        pytest.param(CLIMATE, "02 04 00 00 00 02 71 F8", "", id="another unit: silence"),
        pytest.param(DOOR, "03 02 00 00 00 02 F8 29", "03 02 01 03 E0 31", id="both loops closed"),
        pytest.param(CONTACTS, "47 3F 78", "47 4C 00 02 09", id="both lines inactive"),
    ],
)
def test_device_answers_as_its_document_says(profile: str, asked: str, answered: str) -> None:
    assert Bench(profile).say(asked) == answered
    assert Bench(profile).drip(bytes.fromhex(asked)) == answered
    assert Bench(profile).say(f"55 33 99 {asked}") == answered


def test_a_coil_is_switched_with_the_published_frame() -> None:
    bench = Bench(LIGHTS, unit=1)
    assert bench.say("01 05 00 00 FF 00 8C 3A") == "01 05 00 00 FF 00 8C 3A"
    assert bench.see()["lights"]["card_reader"]["lit"] == ["default", "green"]


def test_a_broadcast_is_obeyed_and_not_answered() -> None:
    bench = Bench(LIGHTS)
    assert bench.say("00 05 00 00 FF 00 8D EB") == ""
    assert bench.see()["lights"]["card_reader"]["lit"] == ["default", "green"]


def test_people_counters_wrap_at_32_bits() -> None:
    bench = Bench(PEOPLE)
    bench.press("people_in", count=2**32 - 1)
    bench.press("people_in", count=3)
    assert bench.see()["entered"] == [0, 2]


def test_a_loop_that_changes_is_told_once() -> None:
    bench = Bench(CONTACTS)
    bench.press("cut_wire")
    bench.press("cut_wire")
    assert bench.unasked() == "47 45 01 01 02"
    assert bench.unasked() == ""


def test_a_supply_tells_its_state_as_published() -> None:
    bench = Bench(MEGATEC)
    assert text(bench, "Q1\r") == "(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r"
    assert text(bench, "F\r") == "#220.0 000 024.0 50.0\r"
    assert len(text(bench, "I\r")) == 39
    assert text(bench, "X9\r") == "X9\r"
    bench.press("mains_fail")
    assert text(bench, "Q1\r").endswith(" 10001001\r")


def test_a_supply_obeys_without_an_answer() -> None:
    bench = Bench(MEGATEC)
    assert text(bench, "S02R0005\r") == ""
    assert bench.see()["shutdown_planned"]
    bench.now = 121
    bench.unasked()
    assert not bench.see()["output"]
    bench.now = 121 + 5 * 60
    bench.unasked()
    assert bench.see()["output"]


def test_upsd_answers_as_its_guide_says() -> None:
    bench = Bench(NUT)
    assert text(bench, "LIST UPS\n") == 'BEGIN LIST UPS\nUPS hallups "Simulated supply"\nEND LIST UPS\n'
    assert text(bench, "GET VAR hallups ups.status\n") == 'VAR hallups ups.status "OL"\n'
    assert text(bench, "GET VAR hallups ups.color\n") == "ERR VAR-NOT-SUPPORTED\n"
    assert text(bench, "LIST VAR other\n") == "ERR UNKNOWN-UPS\n"
    assert text(bench, "DANCE\n") == "ERR UNKNOWN-COMMAND\n"
    assert text(bench, 'SET VAR "hallups\n') == "ERR INVALID-ARGUMENT\n"


def test_upsd_takes_commands_only_from_a_known_user() -> None:
    bench = Bench(NUT)
    command = "INSTCMD hallups shutdown.return\n"
    assert text(bench, command) == "ERR USERNAME-REQUIRED\n"
    assert text(bench, "USERNAME hall\n") == "OK\n"
    assert text(bench, command) == "ERR PASSWORD-REQUIRED\n"
    assert text(bench, "PASSWORD guessed\n") == "OK\n"
    assert text(bench, command) == "ERR ACCESS-DENIED\n"
    assert text(bench, "PASSWORD sandbox\n") == "ERR ALREADY-SET-PASSWORD\n"


@pytest.mark.parametrize("size", [180, 2_000, 60_300, 130_000])
def test_a_picture_has_the_size_that_somebody_wants(size: int) -> None:
    bench = Bench(CAMERA)
    bench.press("set_picture_bytes", count=size)
    note, _, picture = bytes.fromhex(bench.send(b"!07\n")).partition(b"\n")
    assert note == b"#picture 07"
    assert len(picture) == size
    assert (picture[:2], picture[-2:]) == (b"\xff\xd8", b"\xff\xd9")


def test_what_does_not_exist_cannot_be_pressed() -> None:
    with pytest.raises(ButtonRefused):
        Bench(CAMERA).press("judge", verdict="perhaps")
    with pytest.raises(ButtonRefused):
        Bench(CLIMATE).press("set_temperature", celsius=9_999)
    with pytest.raises(ButtonRefused):
        Bench(CLIMATE).press("break_probe", name="humidity")
