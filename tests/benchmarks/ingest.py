"""Committed facts per second: ``hallfleet cloud serve`` against a bare loop, on SQLite and PostgreSQL, in one run.

The consumer is stopped while the broker takes the facts and let go again, so that only taking in is timed. Goal: at
least 60 % of the bare loop.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks.load import connected, messages
from tests.benchmarks.processes import python, wait_until
from tests.servers import mosquitto, postgres
from tests.servers.process import free_port

FACTS = 12_000
ROUNDS = 3


def measure() -> dict[str, object]:
    """Facts per second of both, and their ratio, per database."""
    figures: dict[str, object] = {"facts per round": FACTS, "rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as folder, postgres.serve(fsync=True) as cluster:
        for database in ("sqlite", "postgresql"):
            bare, cloud = [], []
            for number in range(ROUNDS):
                place = Path(folder) / f"{database}-{number}"
                place.mkdir()
                with _url(database, cluster, place / "bare.db") as url:
                    bare.append(_rate_of_bare(place, url))
                with _url(database, cluster, place / "cloud.db") as url:
                    cloud.append(_rate_of_cloud(place, url))
            figures[f"{database}: bare loop, facts/s"] = round(median(bare))
            figures[f"{database}: cloud, facts/s"] = round(median(cloud))
            figures[f"{database}: cloud / bare"] = round(median(c / b for c, b in zip(cloud, bare, strict=True)), 2)
    return figures


@contextmanager
def _url(database: str, cluster: postgres.Cluster, file: Path) -> Iterator[str]:
    if database == "sqlite":
        yield f"sqlite:///{file}"
    else:
        with cluster.fresh_database() as url:
            yield url


def _rate_of_bare(place: Path, url: str) -> float:
    log = place / "bare.log"
    with mosquitto.serve() as broker, python("tests.benchmarks.bare_ingest", str(broker.port), url, log=log) as child:
        wait_until(lambda: b"ready" in log.read_bytes(), "the bare loop is ready")
        return _rate(broker.port, child.pid)


def _rate_of_cloud(place: Path, url: str) -> float:
    port = free_port()
    settings = place / "cloud.toml"
    with mosquitto.serve() as broker:
        settings.write_text(
            f'data_dir = "{place / "cloud"}"\ndatabase_url = "{url}"\nbroker = "mqtt://127.0.0.1:{broker.port}"\n'
            f'port = {port}\npublic_url = "http://127.0.0.1:{port}"\n'
        )
        migrate = ("hallfleet", "cloud", "migrate", "--config", str(settings))
        with python(*migrate, log=place / "migrate.log") as child:
            wait_until(lambda: child.poll() is not None, "the migration ends")
        with python("hallfleet", "cloud", "serve", "--config", str(settings), log=place / "cloud.log") as child:
            wait_until(lambda: _ready(port), f"the cloud is ready, see {place / 'cloud.log'}")
            return _rate(broker.port, child.pid)


def _rate(broker_port: int, consumer: int) -> float:
    with connected(broker_port) as load:
        os.kill(consumer, signal.SIGSTOP)
        load.publish(messages(FACTS))
        os.kill(consumer, signal.SIGCONT)
        return FACTS / wait_until(lambda: load.acknowledged >= FACTS, f"{FACTS} facts acknowledged")


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
