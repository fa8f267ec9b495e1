"""Scanner, fingerprint module, and the three devices of the hall device profile."""

import pytest

from simulators.errors import ButtonRefused, UnknownName
from tests.simulators.bench import Bench

TRIGGER = "7E 00 08 01 00 02 01 AB CD"
CODE = "41 30 31 32 0D 0A"
CAPTURE, FEATURES_1, FEATURES_2, COMBINE = (
    f"EF 01 FF FF FF FF 01 00 {rest}" for rest in ("03 01 00 05", "04 02 01 00 08", "04 02 02 00 09", "03 05 00 09")
)
SEARCH = "EF 01 FF FF FF FF 01 00 08 04 01 00 00 00 C8 00 D6"


def _confirmation(answer: str) -> str:
    return answer.split()[9]


def test_scanner_reads_only_while_it_is_triggered() -> None:
    bench = Bench("grow-gm65")
    bench.press("present_code", text="A012")
    assert bench.unasked() == ""
    assert bench.say(TRIGGER) == f"02 00 00 01 00 33 31 {CODE}"
    assert bench.see()["triggered"] is False
    bench.press("present_code", text="A013")
    assert bench.unasked() == ""


def test_scanner_reads_a_code_that_comes_while_it_looks() -> None:
    bench = Bench("grow-gm65")
    bench.say(TRIGGER)
    bench.press("present_code", text="A012")
    assert bench.unasked() == CODE


def test_one_look_of_the_scanner_ends_by_itself() -> None:
    bench = Bench("grow-gm65")
    bench.say(TRIGGER)
    bench.now += 5.1
    bench.unasked()
    assert bench.see()["triggered"] is False
    bench.press("present_code", text="A012")
    assert bench.unasked() == ""


def test_scanner_keeps_what_is_written_and_forgets_what_is_not_saved() -> None:
    bench = Bench("grow-gm65")
    bench.say("7E 00 08 01 00 06 05 AB CD")
    assert bench.say("7E 00 07 01 00 06 01 AB CD").startswith("02 00 00 01 05")
    bench.press("power_cycle")
    assert bench.say("7E 00 07 01 00 06 01 AB CD").startswith("02 00 00 01 32")
    bench.say("7E 00 08 01 00 06 05 AB CD")
    bench.say("7E 00 09 01 00 00 00 DE C8")
    bench.press("power_cycle")
    assert bench.say("7E 00 07 01 00 06 01 AB CD").startswith("02 00 00 01 05")


def test_scanner_is_silent_about_a_wrong_check_value() -> None:
    assert Bench("grow-gm65").say("7E 00 09 01 00 00 00 DE C9") == ""


def test_unprintable_code_cannot_be_presented() -> None:
    with pytest.raises(ButtonRefused):
        Bench("grow-gm65").press("present_code", text="\x1b[2J")


def test_finger_that_is_not_enrolled_is_not_found() -> None:
    bench = Bench("zfm-fingerprint", enrolled=0)
    bench.press("present_finger", person="p005")
    bench.say(CAPTURE)
    bench.say(FEATURES_1)
    assert _confirmation(bench.say(SEARCH)) == "09"


def test_finger_is_enrolled_from_two_captures_and_found_afterwards() -> None:
    bench = Bench("zfm-fingerprint", enrolled=0)
    bench.press("present_finger", person="p005")
    bench.say(CAPTURE)
    bench.say(FEATURES_1)
    assert _confirmation(bench.say(CAPTURE)) == "02"  # lifted between the two captures
    bench.say(CAPTURE)
    bench.say(FEATURES_2)
    assert _confirmation(bench.say(COMBINE)) == "00"
    assert bench.say("EF 01 FF FF FF FF 01 00 06 06 01 00 05 00 13").endswith("00 00 0A")
    assert bench.say(SEARCH) == "EF 01 FF FF FF FF 07 00 07 00 00 05 00 64 00 77"
    assert bench.see()["enrolled"] == 1


def test_two_fingers_make_no_template() -> None:
    bench = Bench("zfm-fingerprint")
    for person, features in (("p001", FEATURES_1), ("p002", FEATURES_2)):
        bench.press("present_finger", person=person)
        bench.say(CAPTURE)
        bench.say(features)
        bench.press("lift_finger")
    assert _confirmation(bench.say(COMBINE)) == "0A"


def test_poor_print_of_the_right_finger_does_not_match() -> None:
    bench = Bench("zfm-fingerprint")
    bench.press("present_finger", person="p005", score=20)
    bench.say(CAPTURE)
    bench.say(FEATURES_1)
    assert _confirmation(bench.say(SEARCH)) == "09"


def test_fingerprint_module_names_a_wrong_sum_and_guards_its_password() -> None:
    bench = Bench("zfm-fingerprint")
    assert _confirmation(bench.say("EF 01 FF FF FF FF 01 00 03 01 00 06")) == "01"
    assert _confirmation(bench.say("EF 01 FF FF FF FF 01 00 07 13 00 00 00 01 00 1C")) == "13"


def test_images_and_templates_do_not_leave_the_module() -> None:
    assert _confirmation(Bench("zfm-fingerprint").say("EF 01 FF FF FF FF 01 00 03 0A 00 0E")) == "0D"


def test_module_says_55_after_power_on() -> None:
    bench = Bench("zfm-fingerprint")
    bench.press("power_cycle")
    assert bench.unasked() == "55"


# --- hall device profile: pad at unit 1, display at 2, caller at 3 unless the profile says otherwise


def _modbus(bench: Bench, unit: int, text: str) -> str:
    frame = bytes((unit,)) + bytes.fromhex(text)
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return bench.send(frame + value.to_bytes(2, "little"))[:-6]


def _event(bench: Bench) -> tuple[int, int]:
    """(sequence, code)."""
    words = bytes.fromhex(_modbus(bench, 5, "04 00 00 00 07"))[3:]
    return int.from_bytes(words[8:10], "big"), int.from_bytes(words[10:12], "big")


def test_caller_keeps_each_key_until_the_host_has_seen_it() -> None:
    bench = Bench("hdp-caller", unit=5)
    bench.press("press_key", key="call_next")
    bench.press("press_key", key="start")
    assert _event(bench) == (1, 1)
    assert _event(bench) == (1, 1)
    _modbus(bench, 5, "06 00 14 00 01")
    assert _event(bench) == (2, 3)
    _modbus(bench, 5, "06 00 14 00 01")  # a late copy of the first confirmation frees nothing
    assert _event(bench) == (2, 3)
    _modbus(bench, 5, "06 00 14 00 02")
    assert _event(bench) == (2, 0)


def test_power_cycle_starts_the_sequence_again() -> None:
    bench = Bench("hdp-caller", unit=5)
    bench.press("press_key", key="call_next")
    bench.press("power_cycle")
    assert _event(bench) == (0, 0)


def test_caller_takes_no_more_keys_than_it_can_remember() -> None:
    bench = Bench("hdp-caller", unit=5)
    for _ in range(16):
        bench.press("press_key", key="call_next")
    with pytest.raises(ButtonRefused, match="16"):
        bench.press("press_key", key="call_next")
    with pytest.raises(UnknownName, match="call_next"):
        bench.press("press_key", key="call")


def test_pad_takes_one_grade_and_only_when_it_asks() -> None:
    bench = Bench("hdp-evaluator", unit=5)
    with pytest.raises(ButtonRefused, match="idle"):
        bench.press("touch_grade", grade=5)
    _modbus(bench, 5, "06 00 10 00 02")
    bench.press("touch_grade", grade=5)
    assert bench.see()["mode"] == "thanks"
    with pytest.raises(ButtonRefused, match="thanks"):
        bench.press("touch_grade", grade=5)
    assert _event(bench) == (1, 5)


def test_display_shows_number_counter_and_text() -> None:
    bench = Bench("hdp-display", unit=5)
    text = "请到3号窗口".encode()
    words = len(text) // 2 + len(text) % 2
    _modbus(bench, 5, "10 00 11 00 03 06 00 41 00 0C 00 03")
    padded = text.ljust(2 * words, b"\0").hex()
    _modbus(bench, 5, f"10 00 1F 00 {words + 1:02X} {2 * words + 2:02X} 00 {len(text):02X} {padded}")
    seen = bench.see()
    assert (seen["ticket"], seen["counter"], seen["text"]) == ("A012", 3, "请到3号窗口")


def test_modbus_exceptions() -> None:
    bench = Bench("hdp-display", unit=5)
    assert _modbus(bench, 5, "04 00 07 00 01") == "05 84 02"
    assert _modbus(bench, 5, "06 00 15 00 01") == "05 86 02"
    assert _modbus(bench, 5, "06 00 10 00 09") == "05 86 03"
    assert _modbus(bench, 5, "01 00 00 00 01") == "05 81 01"


def test_other_units_are_not_answered_and_a_broadcast_is_obeyed_in_silence() -> None:
    bench = Bench("hdp-display", unit=5)
    assert _modbus(bench, 6, "06 00 10 00 01") == ""
    assert _modbus(bench, 0, "06 00 10 00 01") == ""
    assert bench.see()["mode"] == "welcome"


def test_wrong_crc_is_met_with_silence_and_the_next_request_is_heard() -> None:
    bench = Bench("hdp-evaluator", unit=2)
    assert bench.say("02 06 00 14 00 05 09 FF") == ""
    assert bench.say("02 06 00 14 00 05 09 FE") == "02 06 00 14 00 05 09 FE"
