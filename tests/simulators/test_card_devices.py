"""Card reader, dispensers and card printer: the frames that their documents print, and their mechanics."""

import pytest

from simulators.errors import ButtonRefused
from simulators.people import People
from tests.simulators.bench import SEED, Bench

READER, DISPENSER, BY_ENQ, PRINTER = "creator-crt-310", "creator-crt-541", "quio-cd-720m", "sanwa-crp-1231"
ENQ = "05"


def _framed(body: str) -> str:
    """The CRT-310's frame around the bytes from CM to the end of the data."""
    text = bytes.fromhex(body)
    frame = b"\x02" + len(text).to_bytes(2, "big") + text + b"\x03"
    return (frame + bytes((_xor(frame),))).hex(" ")


def _xor(data: bytes) -> int:
    value = 0
    for byte in data:
        value ^= byte
    return value


# ---------------------------------------------------------------------------------------------- CRT-310


def _ask(bench: Bench, body: str) -> str:
    assert bench.say(_framed(body)) == "06"
    return bench.say(ENQ)


def test_reader_answers_when_it_hears_enq_and_only_once() -> None:
    reader = Bench(READER)
    assert reader.say("02 00 02 31 30 03 02") == "06"
    assert reader.say(ENQ) == "02 00 05 31 30 4E 4A 4A 03 4B"
    assert reader.say(ENQ) == ""
    assert reader.say("15") == "02 00 05 31 30 4E 4A 4A 03 4B"


def test_reader_resets_with_its_version_and_opens_to_any_card() -> None:
    reader = Bench(READER)
    assert reader.say("02 00 02 30 30 03 03") == "06"
    assert bytes.fromhex(reader.say(ENQ))[5:-2] == b"CRT-310 V3.0"
    assert reader.see()["gate_open"] is True


def test_reader_refuses_a_damaged_frame_and_what_it_does_not_know() -> None:
    reader = Bench(READER)
    assert reader.say("02 00 02 31 30 03 00") == "15"
    assert _ask(reader, "77 30") == _framed("4E 77 00").upper()
    assert _ask(reader, "32 77") == _framed("4E 32 01").upper()
    assert _ask(reader, "32 30") == _framed("32 30 45").upper()  # no card to move


@pytest.mark.parametrize(
    ("move", "place"),
    [("2E", "4A"), ("2F", "4B"), ("30", "48"), ("31", "49"), ("32", "4C")],
)
def test_reader_tells_where_it_has_brought_the_card(move: str, place: str) -> None:
    reader = Bench(READER)
    reader.press("insert_card", person="p001")
    reader.unasked()
    reader.now += 1
    reader.unasked()
    assert _ask(reader, f"32 {move}") == _framed(f"32 {move} 59").upper()
    assert _ask(reader, "31 30").split()[5] == place


def test_reader_lets_its_bin_have_the_card_or_the_printer() -> None:
    for profile, seen in ((READER, ("none", 1)), ("creator-crt-310-rear-printer", ("printer", 0))):
        reader = Bench(profile)
        reader.press("insert_card", person="p001")
        _ask(reader, "32 33")
        assert (reader.see()["position"], reader.see()["bin"]) == seen


def test_reset_brings_a_card_out_where_it_is_told_to() -> None:
    reader = Bench(READER)
    reader.press("insert_card", person="p001")
    _ask(reader, "30 31")
    assert reader.press("take_card")["owner"] == "p001"
    with pytest.raises(ButtonRefused):
        reader.press("take_card")


# ---------------------------------------------------------------------------------------------- CRT-541


def test_dispenser_acknowledges_with_its_address_and_tells_success_once() -> None:
    dispenser = Bench(DISPENSER, address=1)
    assert dispenser.say("02 30 31 41 50 03 11") == "06 30 31 02 30 31 30 30 03 00"
    assert dispenser.say("02 30 31 44 43 03 07") == "06 30 31"
    assert dispenser.say("02 30 31 41 50 03 11") == "06 30 31 02 30 31 31 30 03 01"
    dispenser.now += 2
    assert dispenser.say("02 30 31 41 50 03 11") == "06 30 31 02 30 31 33 30 03 03"
    assert dispenser.say("02 30 31 41 50 03 11") == "06 30 31 02 30 31 30 30 03 00"


def test_dispenser_tells_once_that_it_cannot_and_is_silent_to_other_addresses() -> None:
    dispenser = Bench(DISPENSER, address=1)
    dispenser.press("set_stacker", cards=0)
    assert dispenser.say("02 30 31 44 43 03 07") == "06 30 31"
    assert dispenser.say("02 30 31 41 50 03 11") == "06 30 31 02 30 31 36 32 03 04"
    assert dispenser.say("02 30 32 41 50 03 12") == ""
    assert dispenser.say("02 30 31 41 50 03 00") == "15 30 31"
    assert dispenser.say("02 30 31 5A 5A 03 00") == "15 30 31"


# ---------------------------------------------------------------------------------------------- QU-CD-720M


def test_dispenser_does_nothing_before_enq() -> None:
    dispenser = Bench(BY_ENQ)
    assert dispenser.say("02 44 43 03 06") == "06"
    assert dispenser.see()["position"] == "nowhere"
    assert dispenser.say(ENQ) == ""
    assert dispenser.see()["position"] == "leaving"


def test_dispenser_tells_its_most_urgent_state_or_all_flags() -> None:
    dispenser = Bench(BY_ENQ)
    assert dispenser.say("02 44 43 03 06 05") == "06"
    dispenser.now += 2
    assert dispenser.say("02 52 46 03 15 05") == "06 02 53 46 30 30 34 03 20"
    assert dispenser.say("02 50 42 03 13 05") == "06 02 50 42 30 30 34 03 27"
    dispenser.press("take_card")
    assert dispenser.say("02 50 42 03 13 05").split()[4:7] == ["30", "38", "31"]
    assert dispenser.say("02 50 43 03 12 05").split()[4:7] == ["30", "30", "31"]


def test_dispenser_of_the_older_edition_refuses_what_it_does_not_know() -> None:
    dispenser = Bench(BY_ENQ, edition="old")
    assert dispenser.say("02 50 42 03 13") == "15"
    assert dispenser.say("02 52 46 03 15 05") == "06 02 53 46 30 30 30 03 24"


def test_a_card_in_the_mouth_is_taken_back_into_the_bin_while_there_is_room() -> None:
    dispenser = Bench(BY_ENQ)
    dispenser.say("02 44 43 03 06 05")
    dispenser.now += 2
    dispenser.unasked()
    dispenser.press("fill_bin")
    dispenser.say("02 43 50 03 12 05")
    assert dispenser.see()["position"] == "mouth"
    dispenser.press("empty_bin")
    dispenser.say("02 43 50 03 12 05")
    dispenser.now += 2
    dispenser.unasked()
    assert (dispenser.see()["position"], dispenser.see()["bin"]) == ("nowhere", 1)
    with pytest.raises(ButtonRefused):
        dispenser.press("take_card")


# ---------------------------------------------------------------------------------------------- CRP-1231


def test_printer_runs_until_it_is_done_and_repeats_its_answer() -> None:
    printer = Bench(PRINTER)
    assert printer.say("02 06 20 00 00 00 03 25") == "06"
    assert printer.say(ENQ) == "02 06 20 30 30 33 03 16"
    printer.now += 1
    assert printer.say(ENQ) == "02 06 20 30 30 30 03 15"
    assert printer.say(ENQ) == "02 06 20 30 30 30 03 15"


def test_printer_refuses_a_damaged_frame_and_a_command_while_it_works() -> None:
    printer = Bench(PRINTER)
    assert printer.say("02 06 20 00 00 00 03 00") == "15"
    assert printer.say("02 06 20 00 00 00 03 25 02 06 20 00 00 00 03 25") == "06 15"


def test_printer_gives_a_card_from_its_dispenser_until_it_is_empty() -> None:
    printer = Bench(PRINTER, {"people": People(SEED)})
    printer.press("set_stacker", cards=1)
    for data, told in (("31", "31 30 30"), ("32", "31 30 35"), ("31", "31 30 35")):
        frame = bytes.fromhex(f"07 B0 00 00 00 {data} 03")
        printer.send(b"\x02" + frame + bytes((_xor(frame),)))
        printer.now += 2
        assert " ".join(printer.say(ENQ).split()[3:6]) == told
    assert printer.see()["position"] == "printer"


def test_printer_that_lost_its_power_remembers_no_command() -> None:
    printer = Bench(PRINTER)
    printer.say("02 06 20 00 00 00 03 25")
    printer.press("power_cycle")
    assert printer.say(ENQ).split()[2:6] == ["00", "30", "30", "30"]
