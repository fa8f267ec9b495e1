"""Tells machines what is wanted of them: after each change, and whenever one announces itself."""

import asyncio
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from cloud.core.facts import Fact
from cloud.storage.unit_of_work import Database
from cloud.twins import store
from cloud.twins.service import BEHIND, DESIRED_CHANGED, Desired, Held, delta, desired_of
from device_profiles.messages.topics import Down, Topic
from device_profiles.messages.twin import Twin

# publish(topic, payload, retain)
Publish = Callable[[str, bytes, bool], None]


class DesiredPublisher:
    """``heard`` listens after commits; ``run`` publishes the newest version, retained.

    A broker may forget what it retained: a machine that reports an older version is sent what it lacks, and no more.
    """

    def __init__(self, db: Database, publish: Publish) -> None:
        self._db = db
        self._publish = publish
        self._machines: set[str] = set()
        self._behind: dict[str, Held] = {}
        self._wake = asyncio.Event()

    def heard(self, facts: Sequence[Fact]) -> None:
        """After-commit listener."""
        for fact in facts:
            if fact.type == DESIRED_CHANGED:
                self._machines.add(fact.machine)
                self._wake.set()
            elif fact.type == BEHIND:
                self._behind[fact.machine] = Held(fact.data["held"], fact.data["digests"])
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
            behind, self._behind = self._behind, {}
            late = sorted(behind)
            for desired in await self._db.read(lambda conn, wanted=late: _read(conn, wanted)):  # type: ignore[misc]
                if (missing := delta(desired, behind[desired.machine])) is not None:
                    self._publish(str(Topic(desired.machine, Down.DESIRED)), missing.to_bytes(), False)


def _read(connection: sa.Connection, machines: Sequence[str]) -> list[Desired]:
    found = [desired_of(store.read_twin(connection, machine)) for machine in machines]
    return [desired for desired in found if desired.version]
