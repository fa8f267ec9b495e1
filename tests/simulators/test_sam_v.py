"""The identity card reader: order of commands, cards, checksums, line speed."""

import pytest

from simulators.errors import ButtonRefused
from simulators.people import check_character
from simulators.peripherals.id_text import KINDS, encode_text
from tests.simulators.bench import Bench
from tests.simulators.published import TEXT_BLOCK, published_person

FIND, SELECT, READ, READ_FP, APPENDED = (
    f"AA AA AA 96 69 00 03 {rest}" for rest in ("20 01 22", "20 02 21", "30 01 32", "30 10 23", "30 03 30")
)
NO_CARD, NOT_READ, BAD_CHECKSUM = (
    f"AA AA AA 96 69 00 04 {rest}" for rest in ("00 00 80 84", "00 00 41 45", "00 00 10 14")
)


def test_text_block_is_the_published_one() -> None:
    assert len(TEXT_BLOCK) == 256
    assert encode_text(published_person()) == TEXT_BLOCK


@pytest.mark.parametrize(
    ("kind", "mark"), [("citizen", " "), ("hk_macao_taiwan", "J"), ("foreigner_2017", "I"), ("foreigner_2023", "Y")]
)
def test_every_kind_of_document_has_its_mark_at_offset_248(kind: str, mark: str) -> None:
    block = encode_text(published_person(), kind)
    assert len(block) == 256
    assert block[248:250].decode("utf-16-le") == mark
    assert kind in KINDS


def test_number_of_the_published_person_has_the_right_check_character() -> None:
    assert check_character("00000019900101001") == "8"


def _selected(bench: Bench) -> None:
    bench.press("insert_card", person="p001")
    bench.say(FIND)
    bench.say(SELECT)


def test_card_that_was_read_is_not_found_again_until_it_is_laid_down_anew() -> None:
    bench = Bench("sdt-sam-v")
    _selected(bench)
    bench.say(READ)
    assert bench.say(FIND) == NO_CARD
    bench.press("remove_card")
    bench.press("insert_card", person="p001")
    assert bench.say(FIND).startswith("AA AA AA 96 69 00 08 00 00 9F")


def test_reading_before_selecting_fails() -> None:
    bench = Bench("sdt-sam-v")
    bench.press("insert_card", person="p001")
    bench.say(FIND)
    assert bench.say(READ) == NOT_READ


def test_card_whose_reading_failed_has_to_be_laid_down_anew() -> None:
    bench = Bench("sdt-sam-v")
    bench.press("fail_read")
    _selected(bench)
    assert bench.say(READ) == NOT_READ
    assert bench.say(FIND) == NO_CARD


def test_reading_with_fingerprints_gives_2321_bytes() -> None:
    bench = Bench("sdt-sam-v")
    _selected(bench)
    answer = bytes.fromhex(bench.say(READ_FP))
    assert len(answer) == 2321
    assert answer[:16].hex(" ").upper() == "AA AA AA 96 69 09 0A 00 00 90 01 00 04 00 04 00"


def test_appended_address_is_absent() -> None:
    bench = Bench("sdt-sam-v")
    _selected(bench)
    assert bench.say(APPENDED) == "AA AA AA 96 69 00 04 00 00 91 95"


def test_wrong_checksum_wrong_length_and_unknown_command_have_their_own_words() -> None:
    bench = Bench("sdt-sam-v")
    assert bench.say("AA AA AA 96 69 00 03 20 01 23") == BAD_CHECKSUM
    assert bench.say("AA AA AA 96 69 00 02 20 22") == "AA AA AA 96 69 00 04 00 00 11 15"
    assert bench.say("AA AA AA 96 69 00 03 77 01 75") == "AA AA AA 96 69 00 04 00 00 21 25"


def test_half_a_command_is_forgotten_after_a_silence() -> None:
    bench = Bench("sdt-sam-v")
    assert bench.say("AA AA AA 96 69 00 03 20") == ""
    bench.now += 1.0
    assert bench.say(FIND) == NO_CARD


def test_module_listens_at_the_new_speed_after_the_answer() -> None:
    bench = Bench("sdt-sam-v")
    assert bench.see()["baud"] == 115200
    assert bench.say("AA AA AA 96 69 00 03 60 04 67") == "AA AA AA 96 69 00 04 00 00 90 94"
    assert bench.see()["baud"] == 9600


def test_second_card_does_not_fit_on_the_reader() -> None:
    bench = Bench("sdt-sam-v")
    bench.press("insert_card", person="p001")
    with pytest.raises(ButtonRefused, match="p001"):
        bench.press("insert_card", person="p002")
