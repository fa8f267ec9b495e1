"""Limits with hysteresis, and totals of counters that wrap: what several kinds of sensor need."""

import math
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Band(StrEnum):
    """Where a value lies."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Limits(BaseModel):
    """When a value is too low or too high, in its own unit; a limit left out is never crossed.

    Reached is crossed. The value is normal again only ``hysteresis`` inside the limit, so that it cannot flap.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: float = -math.inf
    high: float = math.inf
    hysteresis: float = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _apart(self) -> "Limits":
        if self.high - self.low <= 2 * self.hysteresis:
            raise ValueError(
                f"expected low and high more than twice the hysteresis ({self.hysteresis:g}) apart, "
                f"got {self.low:g} and {self.high:g}"
            )
        return self

    def after(self, was: Band, value: float) -> Band:
        """The band of ``value`` when the one before was ``was``."""
        low = self.low + (self.hysteresis if was is Band.LOW else 0.0)
        high = self.high - (self.hysteresis if was is Band.HIGH else 0.0)
        if value < low or (value == low and was is not Band.LOW):
            return Band.LOW
        if value > high or (value == high and was is not Band.HIGH):
            return Band.HIGH
        return Band.NORMAL


class Odometer:
    """A total from a counter of ``bits`` bits that wraps, and that begins again when its device is switched on.

    Both look alike: the number gets smaller. It has wrapped when the step that this means is one that can have happened
    in the time (``per_s``); else the device was switched on again and its total begins anew.
    """

    SPARE = 10  # steps that may come at once, before any time has passed

    def __init__(self, bits: int, per_s: float) -> None:
        self._size = 1 << bits
        self._per_s = per_s
        self._total: int | None = None
        self._last = 0
        self._seen_at = 0.0

    def total(self, value: int, now: float) -> int:
        """What has been counted since the device was switched on, as far as we have seen it; ``now`` in seconds."""
        step = (value - self._last) % self._size
        possible = self.SPARE + self._per_s * (now - self._seen_at)
        wrapped = self._total is not None and value < self._last
        if self._total is None or (wrapped and step > possible):
            self._total = value
        else:
            self._total += step
        self._last, self._seen_at = value, now
        return self._total
