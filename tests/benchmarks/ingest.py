"""Committed facts per second: ``hallfleet cloud serve`` against a bare loop, on SQLite and PostgreSQL, in one run.

The consumer is stopped while the broker takes the facts and let go again, so that only taking in is timed. Goal: at
least 60 % of the bare loop for facts that nobody reacts to. Facts that open or close an alert are given beside it.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import httpx

from tests.benchmarks.load import connected, faults, plain
from tests.benchmarks.processes import python, wait_until
from tests.servers import mosquitto, postgres
from tests.servers.process import free_port

FACTS = 6_000
ROUNDS = 3
Facts = Callable[[int], Iterator[tuple[str, bytes]]]


def measure() -> dict[str, object]:
    """Facts per second of both, and their ratio, per database."""
    figures: dict[str, object] = {"facts per round": FACTS, "rounds": ROUNDS}
    with tempfile.TemporaryDirectory() as folder, postgres.serve(fsync=True) as cluster:
        for database in ("sqlite", "postgresql"):
            rates: dict[str, list[float]] = {"bare": [], "cloud": [], "cloud, alerts": []}
            for number in range(ROUNDS):
                place = Path(folder) / f"{database}-{number}"
                place.mkdir()
                with _url(database, cluster, place / "bare.db") as url:
                    rates["bare"].append(_rate_of_bare(place, url))
                for name, facts in (("cloud", plain), ("cloud, alerts", faults)):
                    with _url(database, cluster, place / f"{name}.db") as url:
                        rates[name].append(_rate_of_cloud(place / name, url, facts))
            figures |= {f"{database}: {name}, facts/s": round(median(found)) for name, found in rates.items()}
            ratios = [cloud / bare for cloud, bare in zip(rates["cloud"], rates["bare"], strict=True)]
            figures[f"{database}: cloud / bare"] = round(median(ratios), 2)
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
        return _rate(broker.port, child.pid, plain)


def _rate_of_cloud(place: Path, url: str, facts: Facts) -> float:
    place.mkdir()
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
            return _rate(broker.port, child.pid, facts)


def _rate(broker_port: int, consumer: int, facts: Facts) -> float:
    with connected(broker_port) as load:
        os.kill(consumer, signal.SIGSTOP)
        load.publish(facts(FACTS))
        os.kill(consumer, signal.SIGCONT)
        return FACTS / wait_until(lambda: load.acknowledged >= FACTS, f"{FACTS} facts acknowledged")


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
