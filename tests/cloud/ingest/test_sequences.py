"""Which sequences have arrived: checked against a plain set."""

from hypothesis import given
from hypothesis import strategies as st

from cloud.ingest.sequences import MAX_RANGES, Stream

RANGES = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=40
)


@given(RANGES)
def test_a_stream_knows_what_a_set_of_numbers_knows(ranges: list[tuple[int, int]]) -> None:
    stream, arrived = Stream(), set[int]()
    for first, last in ranges:
        new = set(range(first, last + 1)) - arrived
        assert stream.add(first, last) == len(new)
        arrived |= new
    contiguous = next(number for number in range(0, 100) if number + 1 not in arrived)
    assert stream.contiguous == contiguous
    assert stream.missing() == max(arrived, default=0) - len(arrived)
    assert all(first <= last for first, last in stream.ahead)
    ends = [contiguous, *(end for pair in stream.ahead for end in pair)]
    assert ends == sorted(ends)


def test_the_first_gap_is_what_to_ask_for() -> None:
    stream = Stream()
    assert stream.gap() is None
    stream.add(3, 3)
    stream.add(7, 9)
    assert stream.gap() == (1, 2)
    stream.add(1, 2)
    assert (stream.contiguous, stream.gap()) == (3, (4, 6))


def test_too_many_holes_count_as_not_arrived() -> None:
    stream = Stream()
    for number in range(MAX_RANGES):
        assert stream.add(3 + 2 * number, 3 + 2 * number) == 1
    beyond = 3 + 2 * MAX_RANGES
    assert stream.add(beyond, beyond) == 0
    assert len(stream.ahead) == MAX_RANGES
    assert stream.add(1, 2) == 2  # the first hole closes, so there is room again
    assert stream.add(beyond, beyond) == 1
