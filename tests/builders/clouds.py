"""A cloud that is built and prepared, with no job running: tests take every step themselves."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from cloud.core.clock import SetClock
from cloud.core.facts import Fact
from cloud.settings import CloudSettings
from cloud.storage.metadata import metadata
from cloud.wiring import Cloud, build

HALL = "demo-hall"
MORNING = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)  # nine o'clock in Shanghai
_sequences = count(1)


@asynccontextmanager
async def open_cloud(url: str, folder: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    """Build the cloud on this database and prepare it as a start of the process does."""
    cloud = build(CloudSettings(data_dir=folder, database_url=url, halls=[HALL], demo=True), clock)
    metadata.create_all(cloud.db.write_engine)
    async with cloud.db:
        for prepare in cloud.preparations:
            await cloud.db.write(prepare)
        yield cloud


def told(cloud: Cloud, machine: str, fact_type: str, data: Mapping[str, Any], slot: str = "agent") -> Fact:
    """A fact as ingest would publish it: said now, with the next sequence."""
    return Fact(fact_type, cloud.clock.now(), data, machine, slot, cloud.register.hall_of(machine), 1, next(_sequences))


async def tell(cloud: Cloud, machine: str, fact_type: str, data: Mapping[str, Any], slot: str = "agent") -> Fact:
    """Publish such a fact in a transaction of its own."""
    fact = told(cloud, machine, fact_type, data, slot)
    await cloud.db.write(lambda tx: tx.publish(fact))
    return fact


async def come_online(cloud: Cloud, machine: str, state: str = "online") -> None:
    """A machine's presence."""
    since = cloud.clock.now().isoformat()
    data = {"state": state, "epoch": 1, "agent_version": "test", "since": since}
    await tell(cloud, machine, "machine.announced", data)
