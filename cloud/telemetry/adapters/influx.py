"""A server that takes InfluxDB's write API: VictoriaMetrics, InfluxDB 2 or 3. Reads speak the server's dialect."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from cloud.core.errors import Invalid
from cloud.telemetry.adapters.dialects import Dialect, InfluxQl, PromQl
from cloud.telemetry.adapters.line_protocol import lines_of
from cloud.telemetry.port import Aggregate, Caps, Query, Rejected, Retryable, Sample, Series

DIALECTS: Mapping[str, Callable[[aiohttp.ClientSession, str], Dialect]] = {"influxql": InfluxQl, "promql": PromQl}
_MILLISECONDS: Any = WritePrecision.MS  # the library declares a class and takes its strings
TIMEOUT_MS = 10_000
DURABLE_AFTER_S = 30.0  # VictoriaMetrics lost what was younger than 8 s when it was killed
_USAGE = "telemetry_url: expected influx+http://host:port?org=..&bucket=..[&dialect=influxql|promql]"


class InfluxStore:
    """Writes with ``InfluxDBClientAsync`` (its batching client drops what it cannot send), reads over HTTP."""

    def __init__(self, url: str, org: str, bucket: str, dialect: str = "influxql", token: str = "") -> None:
        self._org = org
        self._bucket = bucket
        self._client = InfluxDBClientAsync(url, token=token, org=org, timeout=TIMEOUT_MS, enable_gzip=False)
        headers = {"Authorization": f"Token {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_MS / 1000)
        self._http = aiohttp.ClientSession(url, headers=headers, timeout=timeout)
        self._dialect = DIALECTS[dialect](self._http, bucket)

    @classmethod
    def from_url(cls, url: str, token: str = "") -> Self:
        """Open what ``url`` names. Raises Invalid."""
        parts, options = urlsplit(url), parse_qs(urlsplit(url).query)
        names = {name: values[-1] for name, values in options.items()}
        known = parts.scheme in ("influx+http", "influx+https") and names.keys() <= {"org", "bucket", "dialect"}
        if not known or not parts.hostname or names.get("dialect", "influxql") not in DIALECTS:
            raise Invalid(f"{_USAGE}, got scheme {parts.scheme!r} and options {', '.join(sorted(names)) or 'none'}")
        base = f"{parts.scheme.removeprefix('influx+')}://{parts.netloc}"
        return cls(
            base, names.get("org", "-"), names.get("bucket", "hallfleet"), names.get("dialect", "influxql"), token
        )

    async def write(self, points: Sequence[Sample]) -> None:
        """One request with joined lines; returns when the server took them."""
        if not points:
            return
        try:
            await self._client.write_api().write(
                bucket=self._bucket, org=self._org, record=lines_of(points), write_precision=_MILLISECONDS
            )
        except ApiException as error:
            if error.status in (400, 413, 422):
                raise Rejected(f"telemetry server: {error.status} {error.reason}") from error
            raise Retryable(f"telemetry server: {error.status} {error.reason}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Retryable(f"telemetry server: {type(error).__name__}") from error

    async def query(self, query: Query) -> list[Series]:
        """Aggregate, one request per field."""
        if query.aggregate is Aggregate.LAST and query.by is not None:
            raise Invalid("telemetry: last wants one series each, without a grouping")
        found = [await self._dialect.query(query, name) for name in query.fields]
        return sorted((series for part in found for series in part), key=lambda item: (item.field, item.tags))

    async def latest(self, measurement: str, fields: Sequence[str], where: Mapping[str, str]) -> list[Sample]:
        """The newest sample of each series of the last day."""
        return [sample for name in fields for sample in await self._dialect.latest(measurement, name, where)]

    async def purge(self, before_ms: int) -> None:
        """The server has a retention of its own."""

    async def health(self) -> bool:
        """Whether the server answers."""
        try:
            async with self._http.get(self._dialect.health_path) as answer:
                return answer.status < 300
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    def caps(self) -> Caps:
        """A server that is killed may lose its newest seconds."""
        return Caps(durable_after_s=DURABLE_AFTER_S, purges=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]
        await self._http.close()
