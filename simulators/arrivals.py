"""Who comes when: a Poisson stream whose rate follows the half hours of a day, with services by seeded shares.

The curve has the two humps that halls report (mid-morning, after lunch). The level follows the counters, so that
any hall profile gets a day that keeps it busy without drowning it.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from device_profiles.schema.hall import HallProfile

HALF_HOUR_S = 1800.0
CURVE = (0.8, 1.1, 1.25, 1.3, 1.15, 0.9, 0.55, 0.45, 0.75, 1.05, 1.2, 1.1, 0.9, 0.7, 0.45, 0.25)
"""Relative arrivals in each half hour from 08:30 to 16:30."""
LOAD = 0.8  # of what the counters could do at the mean service times
TILT = 0.45  # how far a service's share strays from half hour to half hour (log-normal sigma)
AT_THE_DOOR = 6  # people who wait outside when the doors open


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody enters ``at_s`` seconds after the doors first opened, wanting one service."""

    at_s: float
    service: str
    with_card: bool
    seed: int


def arrivals(hall: HallProfile, seed: int, load: float = LOAD) -> Iterator[Arrival]:
    """Arrivals without end, day after day; the same hall and seed give the same people at the same times.

    Nobody comes to a hall without services, such as a self-service zone.
    """
    if not hall.services or not hall.counters:
        return
    rng = random.Random(f"arrivals/{hall.id}/{seed}")
    start = 0.0
    while True:
        for half_hour, height in enumerate(CURVE):
            shares = _shares(hall, rng)
            if half_hour == 0:
                yield from (_arrival(start, shares, rng) for _ in range(AT_THE_DOOR))
            yield from _half_hour(start, height * load * capacity_per_s(hall), shares, rng)
            start += HALF_HOUR_S


def capacity_per_s(hall: HallProfile) -> float:
    """People per second that all counters together can serve at the mean service times."""
    means = {service.id: service.mean_service_s for service in hall.services}
    return sum(
        len(counter.services) / sum(means[s] for s in counter.services) for counter in hall.counters if counter.services
    )


def _half_hour(start: float, rate: float, shares: dict[str, float], rng: random.Random) -> Iterator[Arrival]:
    at = start + rng.expovariate(rate)
    while at < start + HALF_HOUR_S:
        yield _arrival(at, shares, rng)
        at += rng.expovariate(rate)


def _arrival(at: float, shares: dict[str, float], rng: random.Random) -> Arrival:
    service = rng.choices(list(shares), list(shares.values()))[0]
    return Arrival(at, service, with_card=rng.random() < 0.4, seed=rng.randrange(2**31))


def _shares(hall: HallProfile, rng: random.Random) -> dict[str, float]:
    """Each service's share: what its counters can do, tilted by chance."""
    return {
        service.id: _counters_of(hall, service.id) / service.mean_service_s * rng.lognormvariate(0, TILT)
        for service in hall.services
    }


def _counters_of(hall: HallProfile, service: str) -> float:
    offers: Sequence[float] = [1 / len(c.services) for c in hall.counters if service in c.services]
    return sum(offers) or 0.2  # a service that nobody calls in the morning has people all the same
