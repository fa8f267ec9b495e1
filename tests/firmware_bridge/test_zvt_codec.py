import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.zvt import Apdu, Sign, ZvtCodec, encode
from firmware_bridge.codecs.zvt_fields import Fields, bcd, parse_fields, parse_state
from simulators.peripherals.zvt_wire import framed


def replies_of(*chunks: bytes) -> list[object]:
    codec = ZvtCodec()
    found: list[object] = []
    for chunk in chunks:
        codec.feed(chunk)
        while (reply := codec.next_reply()) is not None:
            found.append(reply)
    return found


@given(st.integers(0, 0xFFFF), st.binary(max_size=600))
def test_every_command_comes_back_as_it_was(control: int, data: bytes) -> None:
    assert replies_of(encode(control, data)) == [Apdu(control, data)]


@given(st.integers(0, 0xFFFF), st.binary(max_size=254))
def test_codec_and_simulated_terminal_frame_alike(control: int, data: bytes) -> None:
    assert encode(control, data) == framed(control.to_bytes(2, "big") + bytes((len(data),)) + data)


@given(st.binary(max_size=60), st.integers(0, 400), st.integers(1, 255))
def test_a_damaged_frame_is_never_taken_for_another(data: bytes, at: int, change: int) -> None:
    whole = encode(0x040F, data)
    at %= len(whole)
    damaged = whole[:at] + bytes((whole[at] ^ change,)) + whole[at + 1 :]
    assert not [reply for reply in replies_of(damaged) if isinstance(reply, Apdu)]


def test_a_frame_behind_the_half_of_one_is_found() -> None:
    half, whole = encode(0x060F, b"\x10\x10\x03")[:7], encode(0x8000)
    assert replies_of(half + whole)[-1] == Apdu(0x8000, b"")


def test_a_damaged_frame_whose_crc_is_missing_does_not_swallow_the_next() -> None:
    assert replies_of(encode(0x060F)[:-2] + encode(0x8000)) == [Sign.DAMAGED, Apdu(0x8000, b"")]


@pytest.mark.parametrize(("noise", "found"), [(b"", [Sign.NAK]), (b"\xff", []), (b"\xff\x06", [Sign.ACK, Sign.NAK])])
def test_a_refusal_is_believed_only_on_a_clean_line(noise: bytes, found: list[Sign]) -> None:
    assert replies_of(noise + b"\x15") == found


@given(st.binary(max_size=200))
def test_fields_never_fail_and_never_show_a_card(data: bytes) -> None:
    fields = parse_fields(data)
    assert len(fields.card) <= 8
    parse_state(data)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("F0 F8 62 22 02 00 00 00 12 34", "****1234"),
        ("F1 F0 62 22 02 00 00 00 00 00 12 3F", "****0123"),
        ("F0 F8 EE EE EE EE EE EE 12 34", "****1234"),
        ("F0 F8 EE EE EE EE EE EE EE EE", "********"),
        ("F0 F4 12 34 56 78", "****"),
    ],
)
def test_the_number_of_a_card_is_masked_whatever_the_terminal_sends(number: str, shown: str) -> None:
    assert parse_fields(bytes.fromhex("22" + number)).card == shown


def test_fields_behind_variable_ones_and_containers_are_found() -> None:
    data = bytes.fromhex("3C F0 F0 F2 41 42 06 81 03 1F 10 00 8B F0 F2 43 44 27 00 FE 27 05")
    assert parse_fields(data) == Fields(result=0)


@pytest.mark.parametrize(
    ("data", "told"),
    [("F0 F0 F3 31 2E 30 00", ("1.0", 0)), ("CC", ("", 0xCC)), ("", ("", None)), ("F0 F0 F9 31", ("1", None))],
)
def test_the_state_stands_behind_the_version_if_there_is_one(data: str, told: tuple[str, int | None]) -> None:
    assert parse_state(bytes.fromhex(data)) == told


@pytest.mark.parametrize(("number", "size"), [(100, 1), (-1, 2)])
def test_a_number_that_does_not_fit_is_refused(number: int, size: int) -> None:
    with pytest.raises(ValueError, match="digits"):
        bcd(number, size)


def test_a_card_s_number_stands_in_no_representation() -> None:
    assert "6222" not in repr(replies_of(encode(0x040F, bytes.fromhex("22 F0 F8 62 22 02 00 00 00 12 34"))))
