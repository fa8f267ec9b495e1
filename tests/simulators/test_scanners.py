"""The scanners and the payment terminal against frames that were published elsewhere, and their own ways."""

import pytest

from simulators.errors import ButtonRefused
from tests.simulators.bench import Bench

SSI, NEWLAND, HONEYWELL, WEDGE, ZVT = (
    "zebra-ssi", "newland-nls", "honeywell-menu", "hid-keyboard-wedge", "zvt-terminal",
)  # fmt: skip
SSI_START, SSI_ACK = "04 E4 04 00 FF 14", "04 D0 04 00 FF 28"
ZVT_DONE = "10 02 80 00 00 10 03 F5 1F"
RULE = "40 44 46 4D 41 44 44 30 36 39 39 39 30 30 33 39 39 39 39 46 31 34 31"

PUBLISHED = [
    pytest.param(SSI, SSI_START, "04 D0 00 00 FF 2C", id="SSI session"),
    pytest.param(SSI, "04 A3 04 00 FF 54", "05 D1 00 00 01 FF 29", id="SSI damaged"),
    pytest.param(NEWLAND, f"7E 01 30 30 30 30 {RULE} 3B 03", f"02 01 30 30 30 30 {RULE} 06 3B 03", id="Newland rule"),
    pytest.param(HONEYWELL, "16 4D 0D 58 59 5A 31 32 33 2E", "58 59 5A 31 32 33 05 2E", id="Honeywell unknown"),
    pytest.param(HONEYWELL, "16 54 0D", "", id="Honeywell trigger"),
    pytest.param(ZVT, "10 02 06 00 06 12 34 56 BA 09 78 10 03 24 C3", f"06 {ZVT_DONE}", id="ZVT registration"),
    pytest.param(ZVT, "10 02 06 70 00 10 03 D9 F8", "15", id="ZVT damaged"),
]


@pytest.mark.parametrize(("profile", "asked", "answered"), PUBLISHED)
def test_a_published_frame_is_answered(profile: str, asked: str, answered: str) -> None:
    assert Bench(profile).say(asked) == answered
    assert Bench(profile).drip(bytes.fromhex(asked)) == answered
    assert Bench(profile).say(f"01 02 03 {asked}") == answered


def test_a_code_over_ssi_waits_for_its_acknowledgement() -> None:
    bench = Bench(SSI)
    bench.press("present_code", text="A012")
    assert bench.say(SSI_START).startswith("04 D0 00 00 FF 2C")
    bench.now += 0.5
    assert bench.unasked() == "09 F3 00 00 03 41 30 31 32 FE 2D"
    bench.now += 2.1
    assert bench.unasked() == "09 F3 00 01 03 41 30 31 32 FE 2C"
    assert bench.say(SSI_ACK) == ""
    bench.now += 10
    assert bench.unasked() == ""
    assert bench.see()["unacknowledged"] == 0


def test_a_code_over_ssi_that_nobody_acknowledges_is_given_up() -> None:
    bench = Bench(SSI)
    bench.press("present_code", text="A012")
    bench.press("pull_trigger")
    bench.unasked()
    for _ in range(4):
        bench.now += 2.1
        bench.unasked()
    assert bench.see()["unacknowledged"] == 1


@pytest.mark.parametrize("profile", [NEWLAND, HONEYWELL])
def test_a_visitor_s_set_up_code_survives_a_power_cut(profile: str) -> None:
    bench = Bench(profile)
    bench.press("show_setup_code")
    bench.press("power_cycle")
    bench.press("present_code", text="A012")
    assert bench.unasked() == "41 30 31 32 0D 0A"
    with pytest.raises(ButtonRefused):
        bench.press("show_setup_code", command="REBOOT1")


@pytest.mark.parametrize("profile", [SSI, NEWLAND, HONEYWELL])
def test_what_is_no_code_cannot_be_presented(profile: str) -> None:
    with pytest.raises(ButtonRefused):
        Bench(profile).press("present_code", text="\x1b[2J")


def test_the_keyboard_types_with_shift_and_ends_with_enter() -> None:
    bench = Bench(WEDGE)
    bench.press("present_code", text="a?")
    keys = bytes.fromhex(bench.unasked())
    strokes = [keys[at + 16 : at + 24] for at in range(0, len(keys), 24)]
    pressed = [(int.from_bytes(one[2:4], "little"), one[4]) for one in strokes if one[:2] == b"\x01\x00"]
    assert pressed == [(30, 1), (30, 0), (42, 1), (53, 1), (53, 0), (42, 0), (28, 1), (28, 0)]
    with pytest.raises(ButtonRefused):
        bench.press("present_code", text="办")


def test_a_terminal_that_nobody_answers_goes_on_and_keeps_the_booking() -> None:
    bench = Bench(ZVT)
    bench.say("10 02 06 00 06 12 34 56 BA 09 78 10 03 24 C3")
    for _ in range(8):
        bench.now += 1.5
        bench.unasked()
    bench.press("present_card")
    bench.say("10 02 06 01 0A 04 00 00 00 01 10 10 00 49 09 78 10 03 F2 FF")
    for _ in range(30):
        bench.now += 1.5
        bench.unasked()
    assert bench.see()["booked_minor"] == 11000
    assert bench.see()["waits_for_card"] is False


def test_a_card_that_is_none_cannot_be_presented() -> None:
    with pytest.raises(ButtonRefused):
        Bench(ZVT).press("present_card", outcome="maybe")
