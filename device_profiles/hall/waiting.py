"""How long a citizen will wait: people ahead times mean service over open counters, with an 80 % band.

Service times scatter widely (coefficient of variation 1.09 for regular calls in a bank's public record), so
the time until n services have ended is taken as a gamma variable; its quantiles by Wilson and Hilferty.
"""

from dataclasses import dataclass
from math import sqrt

SCATTER = 1.09
"""Coefficient of variation of one service."""

_Z80 = 1.2816
"""Standard normal quantile of 90 %: with 10 % on either side it bounds 80 %."""


@dataclass(frozen=True, slots=True)
class WaitEstimate:
    """Seconds: half of the waits are below ``median_s``, four of five in ``low_s`` to ``high_s``."""

    median_s: int
    low_s: int
    high_s: int


def estimate(
    people_ahead: int, mean_service_s: float, open_counters: int, idle_counters: int = 0
) -> WaitEstimate | None:
    """The wait of a citizen with ``people_ahead`` before them; None when no counter that calls them is open.

    ``idle_counters`` (of the open ones) have nobody in hand: they take that many people at once.
    """
    if open_counters <= 0:
        return None
    services_to_end = max(0, people_ahead + 1 - idle_counters)
    mean_s = services_to_end * mean_service_s / open_counters
    return WaitEstimate(*(round(_quantile(mean_s, services_to_end, z)) for z in (0.0, -_Z80, _Z80)))


def _quantile(mean_s: float, services: int, z: float) -> float:
    if services == 0:
        return 0.0
    ninth = SCATTER**2 / (9 * services)
    return float(mean_s * max(0.0, 1 - ninth + z * sqrt(ninth)) ** 3)
