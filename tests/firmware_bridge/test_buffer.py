import itertools

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.framing.buffer import NEED_MORE, SLACK, Found, FrameBuffer, frame, seek, skip

LIMIT = 16


def find(pending: bytes) -> Found:
    """Frames ``7E length payload``; a payload of FF is damage."""
    if noise := seek(pending, b"\x7e"):
        return skip(noise)
    if len(pending) < 2:
        return NEED_MORE
    size = 2 + pending[1]
    if size > LIMIT or b"\xff" in pending[2:size]:
        return skip(1)
    return frame(size) if len(pending) >= size else NEED_MORE


def frames(buffer: FrameBuffer) -> list[bytes]:
    found = []
    while (one := buffer.next()) is not None:
        found.append(one)
    return found


def test_frames_come_out_whole_and_in_order() -> None:
    buffer = FrameBuffer(find, LIMIT)
    buffer.feed(b"\x7e\x01A\x7e\x00\x7e\x02B")
    assert frames(buffer) == [b"\x7e\x01A", b"\x7e\x00"]
    buffer.feed(b"C")
    assert frames(buffer) == [b"\x7e\x02BC"]
    assert buffer.discarded == 0


def test_a_frame_inside_a_damaged_one_is_found() -> None:
    buffer = FrameBuffer(find, LIMIT)
    buffer.feed(b"\x7e\x04\xff\x7e\x01A")
    assert frames(buffer) == [b"\x7e\x01A"]
    assert buffer.discarded == 3


def test_a_candidate_longer_than_any_frame_does_not_block_the_line() -> None:
    buffer = FrameBuffer(lambda pending: NEED_MORE, LIMIT)
    buffer.feed(bytes(100))
    assert buffer.next() is None
    assert len(buffer) < LIMIT


def test_reset_forgets_and_counts() -> None:
    buffer = FrameBuffer(find, LIMIT)
    buffer.feed(b"\x7e\x05AB")
    assert buffer.next() is None
    assert buffer.reset() == 4
    assert buffer.discarded == 4
    assert len(buffer) == 0


@given(st.lists(st.binary(max_size=40), max_size=30))
def test_every_byte_ends_in_a_frame_is_discarded_or_waits(chunks: list[bytes]) -> None:
    buffer = FrameBuffer(find, LIMIT)
    framed = 0
    for chunk in chunks:
        buffer.feed(chunk)
        framed += sum(len(one) for one in frames(buffer))
    assert framed + buffer.discarded + len(buffer) == sum(map(len, chunks))


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_where_the_stream_is_cut_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    whole, parts = FrameBuffer(find, LIMIT), FrameBuffer(find, LIMIT)
    whole.feed(data)
    found = []
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(edges):
        parts.feed(data[start:end])
        found += frames(parts)
    assert found == frames(whole)
    assert parts.discarded == whole.discarded


def test_input_that_nobody_takes_out_stays_bounded() -> None:
    buffer = FrameBuffer(find, LIMIT)
    for _ in range(100):
        buffer.feed(bytes(4096))
    assert len(buffer) <= LIMIT + SLACK
    assert buffer.discarded + len(buffer) == 100 * 4096


@given(st.binary(max_size=20), st.binary(min_size=1, max_size=5))
def test_seek_never_skips_what_may_become_the_preamble(data: bytes, preamble: bytes) -> None:
    skipped = seek(data, preamble)
    rest = data[skipped:]
    assert rest.startswith(preamble) or preamble.startswith(rest)
    assert (data + preamble).find(preamble) >= skipped
