"""The port: what every telemetry store does alike. No query text crosses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Aggregate(StrEnum):
    """How the values of one bucket become one."""

    AVG = "avg"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    COUNT = "count"
    LAST = "last"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. Identity is everything but ``value``: written again, the last one wins. ``tags`` sorted by name."""

    measurement: str
    tags: tuple[tuple[str, str], ...]
    field: str
    ts_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class Query:
    """Buckets [t, t + step) from ``start_ms`` up to ``end_ms`` (exclusive), labelled by their start.

    ``where``: tags that must be so. ``by``: one series per value of these tags; None: one per stored series.
    """

    measurement: str
    fields: Sequence[str]
    start_ms: int
    end_ms: int
    step_ms: int
    aggregate: Aggregate = Aggregate.AVG
    where: Mapping[str, str] = field(default_factory=dict)
    by: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """One answer: ``points`` are (start of the bucket, value); empty buckets are left out."""

    field: str
    tags: tuple[tuple[str, str], ...]
    points: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Caps:
    """What a store promises. ``durable_after_s``: a crash may lose what was written more recently than this."""

    durable_after_s: float
    purges: bool


class Retryable(Exception):
    """The store does not answer or is too busy: the same points may be written again later."""


class Rejected(Exception):
    """The store will never take these points."""


class TelemetryStore(Protocol):
    """A store of time series."""

    async def write(self, points: Sequence[Sample]) -> None:
        """Write checked samples (see ``limits``); returns when the store took them. Raises Retryable or Rejected."""
        ...

    async def query(self, query: Query) -> list[Series]:
        """Aggregate into buckets. LAST wants ``by`` None. Raises Retryable."""
        ...

    async def latest(self, measurement: str, fields: Sequence[str], where: Mapping[str, str]) -> list[Sample]:
        """The newest sample of each series, of the last day at least. Raises Retryable."""
        ...

    async def purge(self, before_ms: int) -> None:
        """Forget what is older. A store with ``caps().purges`` False has a retention of its own: nothing happens."""
        ...

    async def health(self) -> bool:
        """Whether the store answers."""
        ...

    def caps(self) -> Caps:
        """What the store promises."""
        ...

    async def close(self) -> None:
        """Let go of files and connections."""
        ...
