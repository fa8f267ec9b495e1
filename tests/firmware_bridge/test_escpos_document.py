from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities.printer import FeedBlock, PrintArgs, QrBlock, TextBlock
from firmware_bridge.codecs.escpos_document import render, wrap

HALL = bytes.fromhex("B0EC CAC2 B4F3 CCFC")  # 办事大厅 in GB18030
QR = bytes.fromhex(  # A012, level M, modules of 6 dots: Epson reference, GS ( k
    "1D286B0400314132 00 1D286B0300314306 1D286B0300314531 1D286B070031503041303132 1D286B0300315130"
)


def bytes_of(*blocks: TextBlock | QrBlock | FeedBlock, charset: str = "gb18030", cut: bool = False) -> bytes:
    assert charset in ("gb18030", "gbk", "utf-8")
    return b"".join(render(PrintArgs(blocks=list(blocks), cut=cut), charset, 48))  # type: ignore[arg-type]


def test_a_document_begins_with_a_reset_automatic_status_and_kanji_mode() -> None:
    assert bytes_of(FeedBlock(lines=1)).startswith(b"\x1b@\x1da\x0f\x1c&")


def test_chinese_text_is_gb18030() -> None:
    assert HALL + b"\n" in bytes_of(TextBlock(text="办事大厅"))


def test_a_utf8_printer_gets_utf8_and_no_kanji_mode() -> None:
    data = bytes_of(TextBlock(text="办事大厅"), charset="utf-8")
    assert "办事大厅\n".encode() in data
    assert b"\x1c&" not in data


def test_a_character_that_a_gbk_printer_lacks_becomes_a_question_mark() -> None:
    assert b"?" in bytes_of(TextBlock(text="𠮷"), charset="gbk")


def test_size_weight_and_place_are_set_for_every_text() -> None:
    data = bytes_of(TextBlock(text="A012", size=3, bold=True, align="center"), TextBlock(text="x"))
    assert b"\x1d!\x22" in data
    assert b"\x1bE\x01" in data
    assert b"\x1ba\x01" in data
    assert data.endswith(b"\x1d!\x00\x1bE\x00\x1ba\x00x\n")


def test_a_qr_code_is_the_printer_s_own_and_centred() -> None:
    data = bytes_of(QrBlock(data="A012", module=6, level="M"))
    assert data.endswith(b"\x1ba\x01" + QR)


def test_feeding_and_cutting() -> None:
    assert b"\x1bd\x03" in bytes_of(FeedBlock(lines=3))
    assert bytes_of(FeedBlock(lines=3), cut=True).endswith(b"\x1dV\x01")


@given(st.text(max_size=80))
def test_text_cannot_command_the_printer(text: str) -> None:
    start = len(bytes_of(TextBlock(text="")))
    printed = bytes_of(TextBlock(text=text))[start - 1 :]
    assert not {byte for byte in printed if byte < 0x20} - {0x0A}


def test_words_stay_whole_where_they_fit() -> None:
    assert wrap("please take your ticket and wait", 14) == ["please take", "your ticket", "and wait"]


def test_chinese_characters_count_two_columns() -> None:
    assert wrap("请取走您的号票", 6) == ["请取走", "您的号", "票"]


def test_lines_in_the_text_stay_lines() -> None:
    assert wrap("a\n\nb", 10) == ["a", "", "b"]


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200), st.integers(2, 48))
def test_wrapping_loses_only_blanks_and_no_line_is_too_long(text: str, columns: int) -> None:
    lines = wrap(text, columns)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(len(line) <= columns for line in lines)
