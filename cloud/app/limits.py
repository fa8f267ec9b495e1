"""How many requests one address may send: a bucket that fills again steadily."""

from collections import OrderedDict
from collections.abc import Callable

from cloud.core.errors import TooMany

MOST_ADDRESSES = 20_000  # those not heard of for longest are forgotten first


class Bucket:
    """``rate`` requests a second for each address, and ``burst`` at once."""

    def __init__(self, rate: float, burst: float, now: Callable[[], float]) -> None:
        self._rate, self._burst, self._now = rate, burst, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> None:
        """One request. Raises TooMany."""
        now = self._now()
        left, at = self._left.pop(address, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        self._left[address] = (max(0.0, left - 1.0), now)
        if len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        if left < 1.0:
            again_s = max(1, round((1.0 - left) / self._rate))
            raise TooMany(f"address: more requests than it may send; try again in {again_s} s", again_s)
