"""A cloud with pages for browser tests: real store, fleet, queues, stream and pages, served by uvicorn on loopback.

Everything that a page shows got in through a public door: a fact on the bus or a service. There is no broker, so
commands and desired values go nowhere.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import uvicorn
from fastapi import FastAPI

from cloud.alerts.service import AlertService
from cloud.core.bus import Bus
from cloud.core.clock import SetClock
from cloud.core.facts import Fact
from cloud.dispatch.model import CounterNow, HallNow, ServiceNow
from cloud.dispatch.service import DispatchService
from cloud.fleet.model import Register
from cloud.fleet.service import FleetService
from cloud.queues.model import plan_of
from cloud.queues.service import QueueService
from cloud.queues.states import CounterStep
from cloud.storage.metadata import metadata
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database, Tx
from cloud.web.acts import StaffActs
from cloud.web.reading import HallReader
from cloud.web.site import install
from cloud.web.stream import LiveStream
from device_profiles.catalog import Catalog
from device_profiles.messages.facts import status_fact

HALL = "demo-hall"
MORNING = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # 10:00 in the demo hall


class _NoCommands:
    def send(self, tx: Tx, machine: str, slot: str, name: str, args: Mapping[str, Any], **limits: Any) -> str:
        return str(limits["key"])


class _NoDesired:
    def set_desired(self, tx: Tx, machine: str, patch: Mapping[str, Any]) -> object:
        return patch


class _Outlook:
    """What alerts and dispatch ask of others. ``now`` is how dispatch sees the hall: the test describes it."""

    def __init__(self, queues: QueueService) -> None:
        self.now = HallNow(HALL, (), ())
        self._queues = queues

    def fault_now(self, tx: Tx, machine: str, slot: str, field: str) -> str | None:
        return None

    def hall_now(self, conn: Connection, hall: str) -> HallNow:
        return self.now

    def change_services(self, tx: Tx, hall: str, counter: str, services: tuple[str, ...]) -> object:
        return self._queues.counters.change_services(tx, counter, services)


class PageHouse:
    """The running cloud. ``url`` is its address; ``stop`` and ``start`` are a lost connection and its return."""

    def __init__(self, db: Database, catalog: Catalog, port: int) -> None:
        self.clock = SetClock(MORNING)
        self.db, self.port = db, port
        self.fleet = FleetService(Register(catalog, [HALL]), self.clock)
        plans = {HALL: plan_of(catalog, HALL)}
        self.queues = QueueService(plans, _NoCommands(), _NoDesired(), {}, self.clock)
        self.outlook = _Outlook(self.queues)
        self.alerts = AlertService(self.outlook, self.clock)
        self.dispatch = DispatchService([HALL], self.outlook, self.outlook, self.clock)
        self.stream = LiveStream([HALL], beat_s=0.5, gather_s=0.05)
        db.bus.after_commit(lambda facts: self.stream.hear(facts))
        db.bus.on("machine.announced", self.fleet.note_presence)
        db.bus.on("machine.reported", self.fleet.note_reported)
        db.bus.on("*", self.fleet.note_status)
        self.alerts.subscribe(db.bus)
        self._serving: asyncio.Task[None] | None = None
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def application(self) -> FastAPI:
        app = FastAPI()
        reader = HallReader(self.db, self.fleet, self.queues, self.alerts, self.dispatch, self.stream, self.clock)
        install(app, reader, self.stream, StaffActs(self.db, self.alerts, self.dispatch, self.clock))
        return app

    async def start(self) -> None:
        config = uvicorn.Config(self.application(), "127.0.0.1", self.port, log_level="warning", lifespan="off")
        self._server = server = uvicorn.Server(config)
        self._serving = asyncio.create_task(server._serve())  # without its signal handlers: the test has its own
        async with asyncio.timeout(10):
            while not server.started:  # noqa: ASYNC110 - uvicorn offers no event
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Break every connection at once, as a power cut would."""
        if self._server is None or self._serving is None:
            return
        self._server.force_exit = self._server.should_exit = True
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await self._serving
        if tasks := [*self._server.server_state.tasks]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._server = self._serving = None

    async def tell(self, fact_type: str, data: Mapping[str, Any], *, machine: str = "", slot: str = "agent") -> None:
        """Publish a fact, as ingest does."""
        fact = Fact(fact_type, self.clock.now(), data, machine, slot, HALL)
        await self.db.write(lambda tx: tx.publish(fact))

    async def machines_online(self, *, but: tuple[str, ...] = ()) -> None:
        """Every machine of the hall announces itself and reports that all its slots work."""
        for machine in self.fleet.register.machines.values():
            if machine.id not in but:
                presence = {"state": "online", "epoch": 1, "agent_version": "0.1.0", "since": self.clock.now()}
                await self.tell("machine.announced", presence, machine=machine.id)
                values = {slot: {"device": "online"} for slot in machine.capabilities}
                await self.tell("machine.reported", {"values": values}, machine=machine.id)

    async def status(self, machine: str, slot: str, field: str, value: str) -> None:
        """A status field of a slot takes another value."""
        fact_type, change = status_fact(self.fleet.register.capability(machine, slot), field, value, None)
        await self.tell(fact_type, change.model_dump(mode="json"), machine=machine, slot=slot)

    async def ticket(self, service: str) -> tuple[str, str]:
        """A citizen takes a ticket: its number and token."""
        issued = await self.db.write(lambda tx: self.queues.tickets.issue(tx, HALL, service))
        return issued.number, issued.token

    async def counter(self, counter: str, step: str) -> None:
        """A clerk's key: open, pause, close, call_next, recall, start, finish, no_show."""
        if step in tuple(CounterStep):
            await self.db.write(lambda tx: self.queues.counters.turn(tx, counter, CounterStep(step)))
        else:
            await self.db.write(lambda tx: getattr(self.queues.counters, step)(tx, counter))

    async def proposal(self) -> None:
        """Exit and entry is pressed, and the clerk of counter 1 has nobody in hand: dispatch proposes a move."""
        pressed = ServiceNow("exit-entry", "出入境业务", "Exit and entry", 16, 660, 420, 1, 0)
        calm = ServiceNow("household", "户籍业务", "Household registration", 0, 660, 480, 2, 1)
        skills = frozenset({"household", "exit-entry"})
        idle = CounterNow("c1", 1, True, False, "w1", "林晓禾", ("household",), skills)
        self.outlook.now = HallNow(HALL, (pressed, calm), (idle,))
        await self.db.write(lambda tx: self.dispatch.look(tx, HALL))


@asynccontextmanager
async def open_house(url: str, catalog: Catalog, port: int) -> AsyncIterator[PageHouse]:
    """A house with an empty store, ready for visitors."""
    async with Database(url, Bus()) as db:
        metadata.create_all(db.write_engine)
        house = PageHouse(db, catalog, port)
        await db.write(house.queues.days.prepare)
        await house.start()
        try:
            yield house
        finally:
            house.stream.close()
            await house.stop()
