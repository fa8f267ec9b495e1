"""The system's clock, and how long to wait before the next try."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from firmware_bridge import clock


class SystemClock(clock.SystemClock):
    """The real one."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(slots=True)
class Backoff:
    """Delays that double from ``first_s`` to ``limit_s``, each drawn from nothing to its limit (full jitter).

    A hall's machines come back from a power cut together: without jitter they would ask together for ever.
    """

    first_s: float
    limit_s: float
    draw: Callable[[], float] = random.random
    tries: int = 0

    def next_s(self) -> float:
        """How long to wait before the next try."""
        ceiling = min(self.limit_s, self.first_s * 2.0 ** min(self.tries, 32))
        self.tries += 1
        return ceiling * self.draw()

    def reset(self) -> None:
        """The last try worked."""
        self.tries = 0
