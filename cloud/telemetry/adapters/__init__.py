"""The stores behind the port, and the choice of one by URL."""

from pathlib import Path

from cloud.telemetry.adapters.sqlite import SqliteStore
from cloud.telemetry.port import TelemetryStore


def open_store(url: str, embedded_file: Path, token: str = "") -> TelemetryStore:
    """The store for ``url``: empty for the embedded one, else ``influx+http://host:port?org=..&bucket=..``.

    Call inside the running event loop. Raises Invalid.
    """
    if not url:
        return SqliteStore(embedded_file)
    from cloud.telemetry.adapters.influx import InfluxStore  # here: its client takes a second to import

    return InfluxStore.from_url(url, token)
