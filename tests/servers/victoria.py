"""VictoriaMetrics: the time-series server that takes InfluxDB's write API."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from tests.servers.parts import find_program
from tests.servers.process import HOST, Server, free_port, running, server_folder


@dataclass(frozen=True)
class Store:
    """Where to write and read, and the process behind it for tests that end it."""

    port: int
    process: Server

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def flush(self) -> None:
        """Make everything written so far visible to queries; by itself the server does so once a second."""
        httpx.get(f"{self.url}/internal/force_flush", timeout=10.0, trust_env=False).raise_for_status()


@contextmanager
def serve() -> Iterator[Store]:
    """A server of its own."""
    program, port = find_program("victoria"), free_port()
    with server_folder("victoria") as folder:
        process = Server(
            name="victoria-metrics",
            argv=[
                program,
                f"-httpListenAddr={HOST}:{port}",
                f"-storageDataPath={folder / 'data'}",
                "-retentionPeriod=100y",  # tests write days of long ago; the default drops after a month
                "-dedup.minScrapeInterval=1ms",  # a replayed sample counts once, as in production
                "-search.latencyOffset=1ms",  # by default a query does not see the last 30 seconds
                "-memory.allowedBytes=256MB",  # by default it takes caches for 60 % of the machine
            ],
            folder=folder,
            is_ready=lambda: _answers(port),
        )
        with running(process):
            yield Store(port, process)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/health", timeout=5.0, trust_env=False).is_success
    except httpx.TransportError:
        return False  # not up yet; the caller's deadline decides when that is a failure
