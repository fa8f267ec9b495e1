import random

from hypothesis import given
from hypothesis import strategies as st

from device_profiles.hall.waiting import SCATTER, WaitEstimate, estimate


def test_without_an_open_counter_there_is_no_estimate() -> None:
    assert estimate(3, 600, 0) is None


def test_an_idle_counter_means_no_wait() -> None:
    assert estimate(0, 600, 2, idle_counters=1) == WaitEstimate(0, 0, 0)


def test_the_wait_is_people_ahead_times_mean_service_over_counters() -> None:
    found = estimate(99, 600, 10)
    assert found is not None
    assert abs(found.median_s - 100 * 600 / 10) < 60


@given(st.integers(0, 300), st.floats(1, 7200), st.integers(1, 200), st.integers(0, 200))
def test_the_band_is_ordered_and_never_negative(ahead: int, mean: float, counters: int, idle: int) -> None:
    found = estimate(ahead, mean, counters, min(idle, counters))
    assert found is not None
    assert 0 <= found.low_s <= found.median_s <= found.high_s


@given(st.integers(0, 100), st.integers(1, 20))
def test_more_people_ahead_never_shorten_the_wait(ahead: int, counters: int) -> None:
    here, behind = estimate(ahead, 600, counters), estimate(ahead + 1, 600, counters)
    assert here is not None
    assert behind is not None
    assert behind.median_s >= here.median_s


def test_about_four_of_five_waits_lie_in_the_band() -> None:
    chance = random.Random(1)
    found = estimate(5, 600, 2)
    assert found is not None
    shape = 1 / SCATTER**2
    waits = [sum(chance.gammavariate(shape, 600 / shape) for _ in range(6)) / 2 for _ in range(5000)]
    inside = sum(found.low_s <= wait <= found.high_s for wait in waits) / len(waits)
    assert 0.77 < inside < 0.83
