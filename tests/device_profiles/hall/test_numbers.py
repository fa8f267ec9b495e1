import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.errors import HallRuleError
from device_profiles.hall.numbers import (
    LAST_NUMBER,
    Block,
    format_number,
    holds,
    next_block,
    next_number,
    parse_number,
    remaining,
)


@pytest.mark.parametrize(("number", "text"), [(1, "A001"), (12, "A012"), (999, "A999"), (1000, "A1000")])
def test_numbers_are_written_with_three_digits_and_four_above_999(number: int, text: str) -> None:
    assert format_number("A", number) == text


@given(st.sampled_from("ABCXYZ"), st.integers(1, LAST_NUMBER))
def test_a_number_reads_back_as_it_was_written(prefix: str, number: int) -> None:
    assert parse_number(format_number(prefix, number)) == (prefix, number)


@pytest.mark.parametrize("text", ["", "012", "A12", "a012", "A000", "A0012", "AA12", "A12345", "A01٢", "A012\n"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(HallRuleError, match="expected a letter and digits"):
        parse_number(text)


@pytest.mark.parametrize("number", [0, -1, LAST_NUMBER + 1])
def test_numbers_outside_a_day_are_refused(number: int) -> None:
    with pytest.raises(HallRuleError, match="expected 1 to 9999"):
        format_number("A", number)


def leases(sizes: list[tuple[int, int]]) -> dict[int, list[Block]]:
    """Lease blocks one after another: (machine, size) in the order of asking."""
    all_blocks: list[Block] = []
    held: dict[int, list[Block]] = {}
    for machine, size in sizes:
        block = next_block(all_blocks, size)
        if block is not None:
            all_blocks.append(block)
            held.setdefault(machine, []).append(block)
    return held


def hand_out(blocks: list[Block]) -> list[int]:
    used, numbers = 0, []
    while (number := next_number(blocks, used)) is not None:
        assert remaining(blocks, used) == remaining(blocks, number) + 1
        numbers.append(number)
        used = number
    return numbers


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 20)), max_size=30))
def test_numbers_never_repeat_whoever_hands_them_out(sizes: list[tuple[int, int]]) -> None:
    per_machine = {machine: hand_out(blocks) for machine, blocks in leases(sizes).items()}
    numbers = [number for given in per_machine.values() for number in given]
    assert sorted(numbers) == list(range(1, sum(size for _, size in sizes) + 1))
    assert all(given == sorted(given) for given in per_machine.values())


def test_no_block_is_left_after_the_last_number() -> None:
    assert next_block([(1, LAST_NUMBER - 3)], 10) == (LAST_NUMBER - 2, LAST_NUMBER)
    assert next_block([(1, LAST_NUMBER)], 10) is None


def test_used_numbers_do_not_count_as_remaining() -> None:
    assert [remaining([(1, 10), (21, 30)], used) for used in (0, 7, 10, 15, 25, 30)] == [20, 13, 10, 10, 5, 0]


def test_holds_knows_the_borders() -> None:
    assert [holds([(5, 6)], number) for number in (4, 5, 6, 7)] == [False, True, True, False]
