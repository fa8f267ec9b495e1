"""The ticket printer: what stands on the paper, when it ends, and what the printer says about itself."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulators.bench import Bench

PRINTER = "epson-compatible-80"
INIT, CUT, CUT_NOW, LF = b"\x1b@", b"\x1dVB\x00", b"\x1dV\x00", b"\n"
QR_A012 = bytes.fromhex("1D286B0400314132001D286B03003143061D286B03003145311D286B0700315030413031321D286B0300315130")
HALL = bytes.fromhex("B0ECCAC2B4F3CCFC")
ALL_STATUS = b"\x1da\x0f"


def _ticket(number: str = "A012") -> bytes:
    return INIT + b"\x1ba\x01\x1d!\x11" + number.encode() + LF + b"\x1d!\x00" + HALL + LF + QR_A012 + CUT


def test_paper_carries_text_code_and_cut() -> None:
    bench = Bench(PRINTER)
    bench.send(_ticket())
    (paper,) = bench.see()["papers"]
    assert paper["lines"] == ["A012", "办事大厅"]
    assert paper["qr"] == ["A012"]
    assert paper["cut"] is True
    assert paper["raw_hex"] == _ticket().hex()
    assert bench.see()["unknown_commands"] == 0


@settings(deadline=None)  # a code is drawn in every example: slow on a busy machine
@given(cuts=st.lists(st.integers(0, len(_ticket())), max_size=6))
def test_any_split_of_the_bytes_prints_the_same_paper(cuts: list[int]) -> None:
    bench, data = Bench(PRINTER), _ticket()
    borders = [0, *sorted(cuts), len(data)]
    for start, end in itertools.pairwise(borders):
        bench.send(data[start:end])
    assert bench.see()["papers"][0]["lines"] == ["A012", "办事大厅"]
    assert bench.see()["papers"][0]["qr"] == ["A012"]


@given(noise=st.binary(max_size=400))
def test_noise_never_breaks_the_printer(noise: bytes) -> None:
    bench = Bench(PRINTER)
    bench.send(noise)
    bench.press("power_cycle")
    assert bench.say("10 04 01") in ("12", "1A")  # paper may have run out on the noise


def test_chinese_is_chinese_only_in_kanji_mode() -> None:
    bench = Bench(PRINTER)
    bench.send(b"\x1c." + HALL + LF + b"\x1c&" + HALL + LF + CUT_NOW)
    latin, chinese = bench.see()["papers"][0]["lines"]
    assert chinese == "办事大厅"
    assert len(latin) == 8


def test_four_byte_characters_of_gb18030_are_understood() -> None:
    bench = Bench(PRINTER)
    bench.send("㐀A".encode("gb18030") + LF + CUT_NOW)
    assert bench.see()["papers"][0]["lines"] == ["㐀A"]


def test_long_text_wraps_at_48_columns_and_a_chinese_character_takes_two() -> None:
    bench = Bench(PRINTER)
    bench.send(b"x" * 50 + LF + ("大" * 25).encode("gb18030") + LF + b"\x1d!\x10" + b"y" * 25 + LF + CUT_NOW)
    assert bench.see()["papers"][0]["lines"] == ["x" * 48, "xx", "大" * 24, "大", "y" * 24, "y"]


def test_cut_without_anything_printed_makes_no_paper() -> None:
    bench = Bench(PRINTER)
    bench.send(INIT + CUT_NOW + CUT_NOW)
    assert bench.see()["papers"] == []


def test_paper_is_used_up_line_by_line() -> None:
    bench = Bench(PRINTER, roll_lines=100, near_end_lines=98)
    assert bench.say("10 04 04") == "12"
    bench.send(b"one\ntwo\n")
    assert bench.see()["lines_left"] == 98
    assert bench.say("10 04 04") == "1E"


def test_paper_that_ends_in_the_middle_leaves_a_part_and_the_rest_comes_on_the_new_roll() -> None:
    bench = Bench(PRINTER, roll_lines=2, near_end_lines=1)
    bench.send(b"one\ntwo\nthree\n" + CUT_NOW)
    seen = bench.see()
    assert [paper["lines"] for paper in seen["papers"]] == [["one", "two"]]
    assert seen["papers"][0]["cut"] is False
    assert (seen["partial_total"], seen["printed_total"], seen["paper"]) == (1, 0, "out")
    bench.press("load_paper")
    bench.unasked()
    assert [paper["lines"] for paper in bench.see()["papers"]] == [["one", "two"], ["three"]]
    assert bench.see()["papers"][1]["cut"] is True


def test_data_waits_while_the_cover_is_open_and_real_time_commands_do_not() -> None:
    bench = Bench(PRINTER)
    bench.press("open_cover")
    assert bench.send(_ticket() + b"\x1dr\x01" + b"\x10\x04\x01") == "1A"
    assert bench.see()["papers"] == []
    bench.press("close_cover")
    assert bench.unasked() == "00"
    assert len(bench.see()["papers"]) == 1


def test_buffers_are_cleared_on_request() -> None:
    bench = Bench(PRINTER)
    bench.press("open_cover")
    bench.send(_ticket())
    bench.send(b"\x10\x05\x02")
    bench.press("close_cover")
    bench.unasked()
    assert bench.see()["papers"] == []


def test_status_is_pushed_at_every_change_once() -> None:
    bench = Bench(PRINTER)
    assert bench.send(ALL_STATUS) == "10 00 00 00"
    assert bench.unasked() == ""
    bench.press("open_cover")
    assert bench.unasked() == "38 00 00 00"
    assert bench.unasked() == ""
    bench.press("close_cover")
    assert bench.unasked() == "10 00 00 00"
    bench.press("paper_out")
    assert bench.unasked() == "18 00 0F 00"
    bench.press("load_paper")
    assert bench.unasked() == "10 00 00 00"
    bench.press("jam")
    assert bench.unasked() == "18 04 00 00"


def test_only_watched_groups_are_pushed() -> None:
    bench = Bench(PRINTER)
    bench.send(b"\x1da\x08")
    bench.press("jam")
    assert bench.unasked() == ""
    bench.press("paper_low")
    assert bench.unasked() == "18 04 03 00"


def test_queued_paper_status_comes_after_the_printing() -> None:
    bench = Bench(PRINTER)
    (sent_at, answer), *_ = bench.peer.receive(_ticket() + b"\x1dr\x01", 0.0)
    assert answer == b"\x00"
    assert sent_at > 0.3


def test_printer_names_itself() -> None:
    bench = Bench(PRINTER)
    assert bytes.fromhex(bench.send(b"\x1dIB")) == b"_EPSON\x00"


@pytest.mark.parametrize(
    "command", [b"\x1b*\x21\x02\x00" + bytes(6), b"\x1dv0\x00\x02\x00\x1e\x00" + bytes(60), b"\x1dk\x04A012\x00"]
)
def test_pictures_use_paper_and_swallow_their_data(command: bytes) -> None:
    bench = Bench(PRINTER)
    bench.send(command + b"after\n" + CUT_NOW)
    assert bench.see()["papers"][0]["lines"] == ["after"]
    assert bench.see()["lines_left"] < 4000 - 1


def test_only_the_last_50_papers_are_kept_and_all_are_counted() -> None:
    bench = Bench(PRINTER)
    for number in range(60):
        bench.send(b"%d\n" % number + CUT_NOW)
    assert [paper["lines"] for paper in bench.see()["papers"]] == [[str(number)] for number in range(10, 60)]
    assert bench.see()["printed_total"] == 60
