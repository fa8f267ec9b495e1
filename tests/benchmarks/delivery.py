"""What the guarantees of delivery cost: facts per second with and without each of them, in one run.

One broker (Mosquitto), one cloud on SQLite with fsync. Steps 1 to 3 send a message per fact, 4 and 5 batches as an
agent does after an outage: compare 3 with 2 (numbers, order, ledger, acknowledgement) and 5 with 4 (a durable outbox).
The parts say where the time of the last step goes.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import httpx

from device_profiles.messages.inventory import Inventory
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.ports import Outbox
from edge_agent.storage import DurableFile, Values, values
from edge_agent.timing import Backoff, SystemClock
from edge_agent.twin import Desired, Reported
from edge_agent.uplink.address import BrokerAddress
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.sender import Pace
from edge_agent.uplink.session import CloudSession, SessionParts, presence_of
from tests.benchmarks.load import Load, connected, plain
from tests.benchmarks.processes import python, wait_until
from tests.e2e.chaos.producer import NoCommands
from tests.servers import mosquitto
from tests.servers.process import free_port

FACTS = 3_000
ROUNDS = 3
WRITERS = 64
ALONE = 300
MACHINE = "counter-1"
DATA = {"ticket": "A001", "counter": 1}
ROOM = 32
CLOCK = SystemClock()


def measure() -> dict[str, object]:
    """Medians over the rounds."""
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            for name, rate in _round(Path(folder)).items():
                found.setdefault(name, []).append(rate)
    rates = {name: median(values) for name, values in found.items()}
    by_step = {name.split()[0]: rate for name, rate in rates.items()}
    figures: dict[str, object] = {"facts per round": FACTS, "rounds": ROUNDS}
    figures |= {name: round(rate) for name, rate in rates.items()}
    figures["deduplicated and acknowledged / only stored"] = round(by_step["3"] / by_step["2"], 2)
    figures["durable outbox / outbox in memory"] = round(by_step["5"] / by_step["4"], 2)
    return figures


def _round(folder: Path) -> dict[str, float]:
    rates: dict[str, float] = {}
    with mosquitto.serve() as broker, connected(broker.port) as load:
        began = time.perf_counter()
        load.publish(plain(FACTS))
        rates["1 broker has it (QoS 1), facts/s"] = FACTS / (time.perf_counter() - began)
    with mosquitto.serve() as broker:
        log = folder / "bare.log"
        url = f"sqlite:///{folder / 'bare.db'}"
        with python("tests.benchmarks.bare_ingest", str(broker.port), url, log=log), connected(broker.port) as load:
            wait_until(lambda: b"ready" in log.read_bytes(), "the bare loop is ready")
            rates["2 stored, no check for doubles, facts/s"] = _until_acknowledged(load)
    with _cloud(folder / "three") as port, connected(port) as load:
        rates["3 deduplicated, in order, ledger, acknowledged, facts/s"] = _until_acknowledged(load)
    for name, durable in (("4 outbox in memory", False), ("5 durable outbox", True)):
        with _cloud(folder / name[0]) as port:
            appended, sent = asyncio.run(_through_an_outbox(folder / name[0], port, durable))
            rates[f"{name} + acknowledgement, to an empty outbox, facts/s"] = FACTS / (appended + sent)
            rates[f"{name[0]}a of it accepting, {WRITERS} at a time, facts/s"] = FACTS / appended
            rates[f"{name[0]}b of it sending until acknowledged, facts/s"] = FACTS / sent
    rates["6 durable outbox, accepting one by one, facts/s"] = asyncio.run(_one_by_one(folder))
    return rates


async def _one_by_one(folder: Path) -> float:
    outbox = SqliteOutbox(folder / "alone.db", room_mib=2)
    await outbox.open(CLOCK.now())
    began = time.perf_counter()
    for _ in range(ALONE):
        await outbox.append("display", "signage.shown", DATA, CLOCK.now())
    took = time.perf_counter() - began
    await outbox.close()
    return ALONE / took


def _until_acknowledged(load: Load) -> float:
    began = time.perf_counter()
    load.publish(plain(FACTS))
    wait_until(lambda: load.acknowledged >= FACTS, f"{FACTS} facts acknowledged")
    return FACTS / (time.perf_counter() - began)


@contextmanager
def _cloud(place: Path) -> Iterator[int]:
    """A cloud and a broker of its own; gives the broker's port."""
    place.mkdir()
    port, settings = free_port(), place / "cloud.toml"
    with mosquitto.serve() as broker:
        settings.write_text(
            f'data_dir = "{place / "cloud"}"\nbroker = "mqtt://127.0.0.1:{broker.port}"\nport = {port}\ndemo = true\n'
            'log_level = "warning"\n'
        )
        with python("hallfleet", "cloud", "serve", "--config", str(settings), log=place / "cloud.log"):
            wait_until(lambda: _ready(port), f"the cloud is ready, see {place / 'cloud.log'}")
            yield broker.port


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


async def _through_an_outbox(place: Path, port: int, durable: bool) -> tuple[float, float]:
    """Seconds to accept FACTS, and to send them until the outbox is empty."""
    on_disk = SqliteOutbox(place / "outbox.db", room_mib=ROOM)
    file = DurableFile(place / "machine.db", values.SCHEMA, room_mib=2)
    await file.open(CLOCK.now())
    await on_disk.open(CLOCK.now())
    outbox: Outbox = on_disk if durable else MemoryOutbox(epoch=1, room_bytes=ROOM << 20)
    try:
        began = time.perf_counter()
        for _ in range(0, FACTS, WRITERS):
            appends = (outbox.append("display", "signage.shown", DATA, CLOCK.now()) for _ in range(WRITERS))
            await asyncio.gather(*appends)
        appended = time.perf_counter() - began
        sending = asyncio.create_task(_session(outbox, file, port).run())
        began = time.perf_counter()
        while (await outbox.depth()).business:  # noqa: ASYNC110 - nothing tells when an outbox is empty
            await asyncio.sleep(0.01)
        sent = time.perf_counter() - began
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return appended, sent
    finally:
        await on_disk.close()
        await file.close()


def _session(outbox: Outbox, file: DurableFile, port: int) -> CloudSession:
    parts = SessionParts(
        machine=MACHINE,
        agent_version="bench",
        since=datetime.now(UTC),
        outbox=outbox,
        reported=Reported(Values(file)),
        desired=Desired(Values(file)),
        commands=NoCommands(),
        inventory=lambda: Inventory(machine_profile="counter-set", digest="0", slots={}),
        online_changed=lambda online: None,
        clock=CLOCK,
        pace=Pace(rows_per_s=1e6, start_s=0.0),
    )
    uplink = MqttUplink(BrokerAddress("127.0.0.1", port, 30), MACHINE, presence_of(parts, "offline").to_bytes())
    return CloudSession(uplink, parts, Backoff(0.1, 1.0))
