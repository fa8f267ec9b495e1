"""The stream of citizens: the same for the same seed, and shaped like a day."""

from itertools import takewhile

from simulators.arrivals import CURVE, HALF_HOUR_S, arrivals, capacity_per_s
from tests.simulators.bench import CATALOG

HALL = CATALOG.hall("demo-hall")
DAY_S = len(CURVE) * HALF_HOUR_S


def _day(seed: int) -> list[float]:
    return [one.at_s for one in takewhile(lambda one: one.at_s < DAY_S, arrivals(HALL, seed))]


def test_the_same_seed_brings_the_same_people() -> None:
    def first(seed: int) -> list[object]:
        stream = arrivals(HALL, seed)
        return [next(stream) for _ in range(200)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_people_come_in_the_order_of_time_and_want_services_of_the_hall() -> None:
    stream = arrivals(HALL, 1)
    people = [next(stream) for _ in range(500)]
    assert [one.at_s for one in people] == sorted(one.at_s for one in people)
    assert {one.service for one in people} == {service.id for service in HALL.services}


def test_rate_follows_the_half_hours_and_the_counters() -> None:
    days = [_day(seed) for seed in range(40)]
    per_half_hour = [
        sum(sum(start <= at < start + HALF_HOUR_S for at in day) for day in days) / len(days)
        for start in (n * HALF_HOUR_S for n in range(len(CURVE)))
    ]
    expected = [height * 0.8 * capacity_per_s(HALL) * HALF_HOUR_S for height in CURVE]
    expected[0] += 6  # the people at the door
    for seen, wanted in zip(per_half_hour, expected, strict=True):
        assert abs(seen - wanted) < 5 * (wanted / len(days)) ** 0.5  # five standard errors of a Poisson mean


def test_hall_of_the_catalogue_can_serve_its_day() -> None:
    assert 0.5 < sum(CURVE) / len(CURVE) * 0.8 < 0.9
