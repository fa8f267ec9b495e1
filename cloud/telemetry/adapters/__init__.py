"""The stores behind the port, and the choice of one by URL."""

from pathlib import Path

from cloud.telemetry.adapters.influx import InfluxStore
from cloud.telemetry.adapters.sqlite import SqliteStore
from cloud.telemetry.port import TelemetryStore


def open_store(url: str, embedded_file: Path, token: str = "") -> TelemetryStore:
    """The store for ``url``: empty for the embedded one, else ``influx+http://host:port?org=..&bucket=..``.

    Call inside the running event loop. Raises Invalid.
    """
    return InfluxStore.from_url(url, token) if url else SqliteStore(embedded_file)
