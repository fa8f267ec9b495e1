"""Tells machines what is wanted of them: after each change, and whenever one announces itself."""

import asyncio
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from cloud.core.facts import Fact
from cloud.storage.unit_of_work import Database
from cloud.twins import store
from cloud.twins.service import DESIRED_CHANGED, Desired, desired_of
from device_profiles.messages.topics import Down, Topic
from device_profiles.messages.twin import Twin

# publish(topic, payload, retain)
Publish = Callable[[str, bytes, bool], None]


class DesiredPublisher:
    """``heard`` listens after commits; ``run`` publishes the newest version, retained.

    A broker may forget what it retained, so a machine that announces itself is told again.
    """

    def __init__(self, db: Database, publish: Publish) -> None:
        self._db = db
        self._publish = publish
        self._machines: set[str] = set()
        self._wake = asyncio.Event()

    def heard(self, facts: Sequence[Fact]) -> None:
        """After-commit listener."""
        for fact in facts:
            if fact.type in (DESIRED_CHANGED, "machine.announced"):
                self._machines.add(fact.machine)
                self._wake.set()

    async def run(self) -> None:
        """Publish what changed, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            machines, self._machines = sorted(self._machines), set()
            for desired in await self._db.read(lambda conn, wanted=machines: _read(conn, wanted)):  # type: ignore[misc]
                body = Twin(version=desired.version, values=dict(desired.values)).to_bytes()
                self._publish(str(Topic(desired.machine, Down.DESIRED)), body, True)


def _read(connection: sa.Connection, machines: Sequence[str]) -> list[Desired]:
    found = [desired_of(store.read_twin(connection, machine)) for machine in machines]
    return [desired for desired in found if desired.version]
