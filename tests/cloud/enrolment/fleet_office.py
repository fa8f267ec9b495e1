"""The use cases of enrolment on a store, with a clock that the test sets."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from cloud.core.bus import Bus
from cloud.core.clock import SetClock
from cloud.core.errors import NotFound
from cloud.core.facts import Fact
from cloud.enrolment.model import Certificate, Rules
from cloud.enrolment.service import EnrolmentService
from cloud.enrolment.service.authority import load_authority
from cloud.storage import schema
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database
from device_profiles.messages.enrolment import renewal_statement
from edge_agent.identity import keys

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
T = TypeVar("T")


@dataclass
class Office:
    """Everything that staff and machines ask of enrolment."""

    service: EnrolmentService
    db: Database
    clock: SetClock
    facts: list[Fact] = field(default_factory=list)

    async def do(self, work: Callable[[Tx], T]) -> T:
        """One unit of work."""
        return await self.db.write(work)

    async def claim(self, machine: str = "m1") -> str:
        """A claim code."""
        return (await self.do(lambda tx: self.service.make_claim(tx, machine))).code

    async def enrol(self, code: str, key: bytes, machine: str = "m1") -> Certificate:
        """As a machine does it."""
        csr = keys.signing_request(key, machine)
        return await self.do(lambda tx: self.service.enrol(tx, machine, code, csr))

    async def renew(self, present: Certificate, key: bytes, new_key: bytes) -> Certificate:
        """As a machine does it."""
        machine, csr = present.machine, keys.signing_request(new_key, present.machine)
        signature = keys.sign(key, renewal_statement(machine, csr))
        return await self.do(lambda tx: self.service.renew(tx, machine, present.pem, csr, signature))

    async def publish(self, fact: Fact) -> None:
        """As ingest does with what a machine says."""
        await self.do(lambda tx: tx.publish(fact))

    async def forget(self, table: sa.Table) -> None:
        """As a backup from before does."""
        await self.do(lambda tx: tx.conn.execute(table.delete()))

    def told(self) -> list[str]:
        """The types of the facts so far."""
        return [fact.type for fact in self.facts]


@asynccontextmanager
async def open_office(folder: Path, database_url: str) -> AsyncIterator[Office]:
    """An office with machines m1 and m2."""
    clock, bus = SetClock(NOW), Bus[Tx]()

    def hall_of(machine: str) -> str:
        if machine not in ("m1", "m2"):
            raise NotFound(f"machine {machine}: not here")
        return "demo-hall"

    service = EnrolmentService(load_authority(folder / "keys", NOW), hall_of, Rules(), clock)
    bus.on("agent.certificate_renewed", service.note_renewed)
    async with Database(database_url, bus) as db:
        schema.upgrade(db.write_engine)
        office = Office(service, db, clock)
        bus.after_commit(office.facts.extend)
        yield office
