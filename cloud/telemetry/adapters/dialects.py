"""How a server is asked for buckets: InfluxQL (InfluxDB 1, 2 with a mapping, 3) or PromQL (VictoriaMetrics)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import aiohttp

from cloud.telemetry.limits import TAGS
from cloud.telemetry.port import Aggregate, Query, Retryable, Sample, Series

LOOK_BACK = "1d"
_Tags = tuple[tuple[str, str], ...]


class Dialect(Protocol):
    """The read side of a server."""

    health_path: ClassVar[str]

    def __init__(self, http: aiohttp.ClientSession, database: str) -> None: ...

    async def query(self, query: Query, field: str) -> list[Series]:
        """Buckets of one field."""
        ...

    async def latest(self, measurement: str, field: str, where: Mapping[str, str]) -> list[Sample]:
        """The newest sample of each series of one field."""
        ...


class InfluxQl:
    """``/query``: groups by [t, t + step) and labels by the start, as the port wants it."""

    health_path: ClassVar[str] = "/ping"
    _FUNCTION: ClassVar[Mapping[Aggregate, str]] = {
        **{aggregate: aggregate.value for aggregate in Aggregate},
        Aggregate.AVG: "mean",
    }

    def __init__(self, http: aiohttp.ClientSession, database: str) -> None:
        self._http = http
        self._database = database

    async def query(self, query: Query, field: str) -> list[Series]:
        """Buckets of one field."""
        groups = ["*"] if query.by is None else [f'"{name}"' for name in query.by]
        # The third argument moves the buckets, which otherwise begin at whole steps since 1970.
        groups.append(f"time({query.step_ms}ms, {query.start_ms % query.step_ms}ms)")
        conditions = [f"time >= {query.start_ms}ms", f"time < {query.end_ms}ms", *_equal(query.where)]
        text = f'SELECT {self._FUNCTION[query.aggregate]}("{field}") FROM "{query.measurement}" '
        text += f"WHERE {' AND '.join(conditions)} GROUP BY {', '.join(groups)} fill(none)"
        return [Series(field, tags, points) for tags, points in await self._ask(text)]

    async def latest(self, measurement: str, field: str, where: Mapping[str, str]) -> list[Sample]:
        """The newest sample of each series of one field."""
        conditions = " AND ".join([f"time > now() - {LOOK_BACK}", *_equal(where)])
        found = await self._ask(f'SELECT last("{field}") FROM "{measurement}" WHERE {conditions} GROUP BY *')
        return [Sample(measurement, tags, field, ts_ms, value) for tags, points in found for ts_ms, value in points]

    async def _ask(self, text: str) -> list[tuple[_Tags, list[tuple[int, float]]]]:
        answer = await ask(self._http, "/query", {"db": self._database, "q": text, "epoch": "ms"})
        result = answer["results"][0]
        if "error" in result:
            raise Retryable(f"telemetry server: {result['error']}")
        return [
            (_tags(series.get("tags", {})), [(int(row[0]), float(row[1])) for row in series["values"]])
            for series in result.get("series", [])
        ]


class PromQl:
    """``/api/v1/query_range`` of VictoriaMetrics, whose metric name is measurement_field.

    A window ends at its label and includes it: (t - step, t]. Asked for at t + step - 1 ms, it holds exactly the
    whole milliseconds of [t, t + step).
    """

    health_path: ClassVar[str] = "/health"

    def __init__(self, http: aiohttp.ClientSession, database: str) -> None:
        self._http = http

    async def query(self, query: Query, field: str) -> list[Series]:
        """Buckets of one field."""
        shift = query.step_ms - 1
        last = query.start_ms + (query.end_ms - query.start_ms - 1) // query.step_ms * query.step_ms
        parameters = {
            "query": _expression(query, field),
            "start": _seconds(query.start_ms + shift),
            "end": _seconds(last + shift),
            "step": f"{query.step_ms}ms",
            "nocache": "1",  # with its cache on, the server moves start and end to multiples of the step
        }
        answer = await ask(self._http, "/api/v1/query_range", parameters)
        return [
            Series(field, _tags(found["metric"]), [(_ms(at) - shift, float(value)) for at, value in found["values"]])
            for found in answer["data"]["result"]
        ]

    async def latest(self, measurement: str, field: str, where: Mapping[str, str]) -> list[Sample]:
        """The newest sample of each series of one field."""
        selector = _selector(measurement, field, where)
        values = await self._instant(f"last_over_time({selector}[{LOOK_BACK}])")
        times = await self._instant(f"tlast_over_time({selector}[{LOOK_BACK}])")
        return [
            Sample(measurement, tags, field, round(times[tags] * 1000), value)
            for tags, value in sorted(values.items())
            if tags in times
        ]

    async def _instant(self, expression: str) -> dict[_Tags, float]:
        answer = await ask(self._http, "/api/v1/query", {"query": expression, "nocache": "1"})
        return {_tags(found["metric"]): float(found["value"][1]) for found in answer["data"]["result"]}


async def ask(http: aiohttp.ClientSession, path: str, parameters: Mapping[str, str]) -> Any:
    """GET and parse JSON. Raises Retryable."""
    try:
        async with http.get(path, params=parameters) as answer:
            if answer.status != 200:
                raise Retryable(f"telemetry server: {path} answered {answer.status}")
            return await answer.json(content_type=None)
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise Retryable(f"telemetry server: {path}: {type(error).__name__}") from error


def _expression(query: Query, field: str) -> str:
    window = f"{_selector(query.measurement, field, query.where)}[{query.step_ms}ms]"
    if query.by is None:
        return f"{query.aggregate}_over_time({window})"
    by = f"by ({', '.join(query.by)})"
    if query.aggregate is Aggregate.AVG:
        return f"sum(sum_over_time({window})) {by} / sum(count_over_time({window})) {by}"
    outer = "sum" if query.aggregate is Aggregate.COUNT else query.aggregate.value
    return f"{outer}({query.aggregate}_over_time({window})) {by}"


def _selector(measurement: str, field: str, where: Mapping[str, str]) -> str:
    return f"{measurement}_{field}{{{','.join(_equal_prom(where))}}}"


def _equal(where: Mapping[str, str]) -> Sequence[str]:
    return [f"\"{name}\" = '{_plain(value)}'" for name, value in sorted(where.items())]


def _equal_prom(where: Mapping[str, str]) -> Sequence[str]:
    return [f'{name}="{_plain(value)}"' for name, value in sorted(where.items())]


def _plain(value: str) -> str:
    # Values come from our own ids; nothing that could end the quotes gets through.
    return "".join(letter for letter in value if letter.isalnum() or letter in "_.-")


def _tags(found: Mapping[str, str]) -> _Tags:
    return tuple(sorted((name, value) for name, value in found.items() if name in TAGS and value))


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03d}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
