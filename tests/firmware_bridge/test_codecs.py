"""What holds for the receiving side of every protocol, whatever comes in."""

import itertools
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.link import Codec
from tests.firmware_bridge.vector_checks import FILES, octets
from tests.firmware_bridge.vector_codecs import ENTRIES

PROTOCOLS = sorted(ENTRIES)


def noise(protocol: str) -> st.SearchStrategy[bytes]:
    """Random bytes, whole replies, and replies cut short or changed in one place."""
    replies = [octets(vector["bytes"])[:64] for vector in FILES[protocol]["reply"]] if protocol in FILES else []
    known = st.sampled_from(replies or [b""])
    cut = st.builds(lambda data, at: data[: at % (len(data) + 1)], known, st.integers(0, 63))
    return st.lists(st.one_of(st.binary(max_size=24), known, cut), max_size=12).map(b"".join)


def drain(codec: Codec[Any]) -> list[Any]:
    found = []
    while (reply := codec.next_reply()) is not None:
        found.append(reply)
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data())
@settings(max_examples=60)
def test_no_input_makes_a_codec_fail_and_reset_empties_it(protocol: str, data: st.DataObject) -> None:
    codec = ENTRIES[protocol].codec()
    stream = data.draw(noise(protocol))
    codec.feed(stream)
    drain(codec)
    assert 0 <= codec.discarded <= len(stream)
    codec.reset()
    assert codec.next_reply() is None


@pytest.mark.parametrize("protocol", PROTOCOLS)
@given(data=st.data())
@settings(max_examples=60)
def test_how_a_stream_is_cut_makes_no_difference(protocol: str, data: st.DataObject) -> None:
    stream = data.draw(noise(protocol))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    whole, parts = ENTRIES[protocol].codec(), ENTRIES[protocol].codec()
    whole.feed(stream)
    found = []
    edges = sorted({0, len(stream), *cuts})
    for start, end in itertools.pairwise(edges):
        parts.feed(stream[start:end])
        found += drain(parts)
    assert found == drain(whole)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_endless_stream_without_frames_takes_bounded_memory(protocol: str) -> None:
    replies = [octets(vector["bytes"]) for vector in FILES[protocol]["reply"]]
    longest = max(replies, key=len)
    codec = ENTRIES[protocol].codec()
    tracemalloc.start()
    try:
        for _ in range(400):
            codec.feed(longest[:-1] + b"\xff" * 500)
            drain(codec)
        assert tracemalloc.get_traced_memory()[0] < 512 * 1024
    finally:
        tracemalloc.stop()
