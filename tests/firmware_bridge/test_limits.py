"""Limits do not flap, and totals survive the wrap of a counter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.drivers._limits import Band, Limits, Odometer

LIMITS = Limits(low=5, high=40, hysteresis=1)


def bands(*values: float) -> list[Band]:
    band, seen = Band.NORMAL, []
    for value in values:
        band = LIMITS.after(band, value)
        seen.append(band)
    return seen


def test_a_value_that_trembles_at_a_limit_changes_the_band_once() -> None:
    assert bands(39.9, 40.0, 39.9, 40.1, 39.1, 40.0) == [Band.NORMAL, *[Band.HIGH] * 5]
    assert bands(5.1, 5.0, 5.9, 4.9, 5.5) == [Band.NORMAL, *[Band.LOW] * 4]


def test_a_value_that_is_inside_by_the_hysteresis_is_normal_again() -> None:
    assert bands(41, 39.0) == [Band.HIGH, Band.NORMAL]
    assert bands(4, 6.0) == [Band.LOW, Band.NORMAL]


def test_a_value_may_jump_from_one_limit_to_the_other() -> None:
    assert bands(60, -10, 60) == [Band.HIGH, Band.LOW, Band.HIGH]


def test_limits_closer_than_their_hysteresis_are_refused() -> None:
    with pytest.raises(ValueError, match="twice the hysteresis"):
        Limits(low=5, high=7, hysteresis=1)


@given(st.lists(st.floats(-100, 100), max_size=40))
def test_a_band_changes_only_when_the_value_moved_by_the_hysteresis(values: list[float]) -> None:
    band, changed_at = Band.NORMAL, None
    for value in values:
        after = LIMITS.after(band, value)
        if after is not band and changed_at is not None:
            assert abs(value - changed_at) >= LIMITS.hysteresis
        if after is not band:
            changed_at = value
        band = after


@pytest.mark.parametrize("bits", [16, 32])
def test_a_counter_that_wraps_goes_on(bits: int) -> None:
    size = 1 << bits
    odometer = Odometer(bits, per_s=10)
    assert odometer.total(size - 3, 0) == size - 3
    assert odometer.total(2, 1) == size + 2
    assert odometer.total(7, 2) == size + 7


def test_a_counter_that_was_switched_on_again_begins_anew() -> None:
    odometer = Odometer(16, per_s=10)
    odometer.total(40_000, 0)
    assert odometer.total(3, 60) == 3  # a wrap would mean 25,539 people in a minute
    assert odometer.total(4, 61) == 4


@given(st.integers(0, 0xFFFF), st.lists(st.integers(0, 20), max_size=30))
def test_whatever_the_start_the_steps_add_up(start: int, steps: list[int]) -> None:
    odometer = Odometer(16, per_s=10)
    odometer.total(start, 0)
    passed = 0
    for second, step in enumerate(steps, 1):
        passed += step
        assert odometer.total((start + passed) % 0x10000, second) == start + passed
