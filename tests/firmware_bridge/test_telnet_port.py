"""The telnet side of a serial port: published bytes, every way to cut them, and noise."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.codecs.telnet_port import (
    PURGE_BOTH,
    Control,
    Negotiation,
    Option,
    Setting,
    TelnetReader,
    Told,
    Verb,
    ask,
    escape,
    negotiate,
)

EVERY_BYTE = bytes(range(256))

REQUESTS = [  # RFC 2217, section 3; numbers of telnet itself: RFC 854
    pytest.param(ask(Setting.BAUD, 115200), "FF FA 2C 01 00 01 C2 00 FF F0", id="115200"),
    pytest.param(ask(Setting.DATA_BITS, 8), "FF FA 2C 02 08 FF F0", id="8 data bits"),
    pytest.param(ask(Setting.CONTROL, Control.DTR_ON), "FF FA 2C 05 08 FF F0", id="DTR on"),
    pytest.param(ask(Setting.PURGE, PURGE_BOTH), "FF FA 2C 0C 03 FF F0", id="purge both"),
    pytest.param(ask(Setting.BAUD, 255), "FF FA 2C 01 00 00 00 FF FF FF F0", id="FF in a value is doubled"),
    pytest.param(negotiate(Verb.WILL, Option.COM_PORT), "FF FB 2C", id="will com port"),
    pytest.param(negotiate(Verb.DO, Option.BINARY), "FF FD 00", id="do binary"),
    pytest.param(escape(b"\x01\xff\x02"), "01 FF FF 02", id="data"),
]
ANSWERS = [
    pytest.param("FF FA 2C 65 00 01 C2 00 FF F0", Told(Setting.BAUD, bytes.fromhex("0001C200")), id="115200"),
    pytest.param("FF FA 2C 6B 30 FF F0", Told(Setting.MODEM_STATE, b"\x30"), id="modem state: CTS, DSR"),
    pytest.param("FF FA 2C 6A 60 FF F0", Told(Setting.LINE_STATE, b"\x60"), id="line state"),
    pytest.param("FF FA 2C 65 00 00 00 FF FF FF F0", Told(Setting.BAUD, b"\0\0\0\xff"), id="FF in a value"),
    pytest.param("FF FD 2C", Negotiation(Verb.DO, Option.COM_PORT), id="do com port"),
    pytest.param("FF FC 63", Negotiation(Verb.WONT, 0x63), id="will not do what we do not know"),
]


@pytest.mark.parametrize(("made", "published"), REQUESTS)
def test_a_request_is_made_byte_for_byte(made: bytes, published: str) -> None:
    assert made.hex(" ").upper() == published


@pytest.mark.parametrize(("wire", "expected"), ANSWERS)
def test_an_answer_is_understood_however_it_is_cut(wire: str, expected: object) -> None:
    data = b"before" + bytes.fromhex(wire) + b"after"
    for at in range(len(data)):
        reader = TelnetReader()
        (payload, said), (more, more_said) = reader.feed(data[:at]), reader.feed(data[at:])
        assert payload + more == b"beforeafter"
        assert said + more_said == [expected]


@given(st.binary(max_size=200), st.lists(st.integers(0, 400), max_size=5))
def test_every_payload_comes_through_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    wire = escape(data)
    reader = TelnetReader()
    edges = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    assert b"".join(reader.feed(wire[a:b])[0] for a, b in itertools.pairwise(edges)) == data


@given(
    st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\xff", b"\xff\xfa", b"\xff\xfa\x2c", b"\xff\xf0"])))
)
def test_no_input_makes_the_reader_fail_or_grow(chunks: list[bytes]) -> None:
    reader = TelnetReader()
    for chunk in chunks:
        reader.feed(chunk)
        assert len(reader._rest) <= 300


def test_a_subnegotiation_that_never_ends_does_not_swallow_the_port() -> None:
    reader = TelnetReader()
    heard = reader.feed(b"\xff\xfa\x2c")[0]
    heard += b"".join(reader.feed(b"x" * 50)[0] for _ in range(20))
    assert len(heard) > 700
    assert reader.feed(escape(EVERY_BYTE))[0] == EVERY_BYTE


def test_a_subnegotiation_that_another_command_cuts_off_is_dropped() -> None:
    reader = TelnetReader()
    payload, said = reader.feed(bytes.fromhex("FF FA 2C 65 00 FF FD 2C 41"))
    assert (payload, said) == (b"A", [Negotiation(Verb.DO, Option.COM_PORT)])
