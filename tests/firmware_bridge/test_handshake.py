"""Bytes that stand for a whole answer are easily mistaken: what counts as one."""

import pytest

from firmware_bridge.codecs.crt_f2 import crt_f2_codec
from firmware_bridge.codecs.handshake import Handshake
from firmware_bridge.codecs.star_tcp import star_tcp_codec
from firmware_bridge.link import Codec

CODECS = [pytest.param(crt_f2_codec(0), id="crt_f2"), pytest.param(star_tcp_codec(), id="star_tcp")]


@pytest.mark.parametrize("codec", CODECS)
def test_a_nak_counts_on_a_clean_line_only(codec: Codec[object]) -> None:
    codec.reset()
    codec.feed(b"\x15")
    assert codec.next_reply() is Handshake.NAK
    codec.feed(b"\x77\x15")
    assert codec.next_reply() is None
    codec.reset()
    codec.feed(b"\x15")
    assert codec.next_reply() is Handshake.NAK


@pytest.mark.parametrize("codec", CODECS)
def test_an_ack_counts_behind_noise_since_it_only_makes_the_host_wait(codec: Codec[object]) -> None:
    codec.reset()
    codec.feed(b"\x77\x06\x15")
    assert codec.next_reply() is Handshake.ACK
    assert codec.next_reply() is Handshake.NAK, "the line is clean again after a reply"


def test_an_ignored_nak_counts_as_discarded() -> None:
    codec = star_tcp_codec()
    codec.feed(b"\x77\x15")
    assert codec.next_reply() is None
    assert codec.discarded == 2
