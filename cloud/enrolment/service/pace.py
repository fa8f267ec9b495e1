"""How often an address may ask to be enrolled. A code cannot be guessed; this keeps guessing from costing us."""

from collections import OrderedDict

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import TooMany

PER_ADDRESS, PER_MINUTE = 20, 300
KEPT_ADDRESSES = 10_000
_MINUTE_MS = 60_000


class Pace:
    """Buckets that fill again over a minute: one per address, and one for all."""

    def __init__(self, clock: Clock, per_address: int = PER_ADDRESS, for_all: int = PER_MINUTE) -> None:
        self._clock = clock
        self._rooms = {"": for_all}
        self._per_address = per_address
        self._left: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def check(self, address: str) -> None:
        """Count one request. Raises TooMany."""
        now_ms = to_ms(self._clock.now())
        for name in (f"address {address}", ""):
            room = self._rooms.get(name, self._per_address)
            left, at_ms = self._left.get(name, (float(room), now_ms))
            left = min(room, left + max(0, now_ms - at_ms) * room / _MINUTE_MS)
            if left < 1:
                raise TooMany("enrolments: more than one fleet needs; wait a little", max(1, round(60 / room)))
            self._left[name] = (left - 1, now_ms)
            self._left.move_to_end(name)
        while len(self._left) > KEPT_ADDRESSES:
            self._left.popitem(last=False)
