import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.permit_file import PermitFile, parse_permit_file

HOLDER = {1: "C01234567", 2: "测试员甲", 3: "19900101"}


def content(fields: dict[int, str]) -> bytes:
    values = {tag: text.encode() for tag, text in fields.items()}
    return b"".join(bytes((tag, len(value))) + value for tag, value in values.items())


@pytest.mark.parametrize("rest", [b"", b"\x00" * 40, b"\xff" * 40])
def test_the_three_fields_are_read_and_unused_memory_is_not(rest: bytes) -> None:
    assert parse_permit_file(content(HOLDER) + rest) == PermitFile("C01234567", "测试员甲", "19900101")


def test_a_field_of_a_later_edition_is_skipped() -> None:
    assert parse_permit_file(content({0x10: "new", **HOLDER})) == PermitFile(*HOLDER.values())


@given(st.binary(max_size=80))
def test_whatever_a_chip_says_is_a_file_or_a_value_error(data: bytes) -> None:
    try:
        parse_permit_file(data)
    except ValueError as error:
        told = str(error)
    else:
        told = "permit file: read"
    assert told.startswith("permit file: ")


@given(name=st.text(min_size=1, max_size=20))
def test_an_error_does_not_repeat_what_stood_in_the_file(name: str) -> None:
    damaged = content({1: "C01234567", 2: "Mustermann" + name[:5], 3: "not-date"})
    with pytest.raises(ValueError, match="birth date") as error:
        parse_permit_file(damaged)
    assert "Mustermann" not in str(error.value)
    assert "C01234567" not in str(error.value)
