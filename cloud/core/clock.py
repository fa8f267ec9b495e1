"""Time as the features see it: UTC from a clock that tests can set, and integer milliseconds in the store."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """Where "now" comes from."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The computer's own clock."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)


class SetClock:
    """A clock that stands still until it is told otherwise: for tests and for replaying a day."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """The moment that was set last."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds``."""
        self._at += timedelta(seconds=seconds)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970 of an aware moment, rounded down: how the store keeps time."""
    return (at - _EPOCH) // _MILLISECOND


def from_ms(value: int) -> datetime:
    """The moment in UTC that ``to_ms`` turned into ``value``."""
    return _EPOCH + timedelta(milliseconds=value)
