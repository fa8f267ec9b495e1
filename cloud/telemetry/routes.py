"""``GET /machines/{m}/telemetry``."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, Field

from cloud.core.clock import Clock, from_ms, to_ms
from cloud.core.errors import Invalid, Unavailable
from cloud.telemetry import port
from cloud.telemetry.limits import MEASUREMENT, NAME, is_name
from cloud.telemetry.port import Aggregate, Retryable, TelemetryStore

MAX_POINTS = 5_000
# Times outside are slips of the pen, and near the ends of the calendar no window could be cut.
FIRST, LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
# The pattern is only described here: our own words are clearer than the framework's.
Metric = Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME.pattern}$"})]


class Point(BaseModel):
    """The value of one bucket; ``at`` is its start."""

    at: datetime
    value: float


class SeriesView(BaseModel):
    """One metric of one slot."""

    metric: str
    slot: str
    points: list[Point]


class TelemetryView(BaseModel):
    """The answer: one series per metric and slot."""

    machine: str
    every_s: float
    series: list[SeriesView]


def router(store: TelemetryStore, clock: Clock, check_machine: Callable[[str], object]) -> APIRouter:
    """The routes; ``check_machine`` raises NotFound for a machine that is not ours."""
    routes = APIRouter(tags=["telemetry"])

    @routes.get("/machines/{machine}/telemetry")
    async def get_telemetry(
        machine: str,
        metric: Annotated[list[Metric], Query(min_length=1, max_length=20, description="names, repeated")],
        from_: Annotated[AwareDatetime | None, Query(alias="from", description="default: an hour before `to`")] = None,
        to: Annotated[AwareDatetime | None, Query(description="default: now")] = None,
        every: Annotated[float, Query(ge=1, le=86_400, description="length of a bucket in seconds")] = 60,
        aggregate: Aggregate = Aggregate.AVG,
    ) -> TelemetryView:
        """Metrics of a machine in buckets [t, t + every), labelled by their start; empty ones are left out."""
        check_machine(machine)
        end = clock.now() if to is None else _possible("to", to)
        start = end - timedelta(hours=1) if from_ is None else _possible("from", from_)
        query = _query(machine, metric, start, end, every, aggregate)
        try:
            found = await store.query(query)
        except Retryable as error:
            raise Unavailable(str(error)) from error
        return TelemetryView(machine=machine, every_s=every, series=[_view(series) for series in found])

    return routes


def _query(
    machine: str, metrics: list[str], start: datetime, end: datetime, every: float, aggregate: Aggregate
) -> port.Query:
    wrong = [name for name in metrics if not is_name(name)]
    if wrong:
        raise Invalid(f"metric: expected a-z, 0-9 and _, got {wrong[0][:60]!r}")
    step_ms = round(every * 1000)
    # Buckets begin at whole steps, so that two requests cut the time alike.
    start_ms = to_ms(start) // step_ms * step_ms
    end_ms = to_ms(end)
    if not 0 < end_ms - start_ms <= MAX_POINTS * step_ms:
        raise Invalid(f"from, to, every: expected from before to and at most {MAX_POINTS} buckets")
    return port.Query(MEASUREMENT, metrics, start_ms, end_ms, step_ms, aggregate, {"device": machine})


def _possible(name: str, at: datetime) -> datetime:
    if not FIRST <= at < LAST:
        raise Invalid(f"{name}: expected a time between {FIRST.year} and {LAST.year}, got the year {at.year}")
    return at


def _view(series: port.Series) -> SeriesView:
    points = [Point(at=from_ms(at_ms), value=value) for at_ms, value in series.points]
    return SeriesView(metric=series.field, slot=dict(series.tags).get("slot", ""), points=points)
