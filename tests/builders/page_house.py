"""A cloud with pages for browser tests: the real one, without a broker, served by uvicorn on loopback.

Everything that a page shows got in through a public door: a fact on the bus or a service.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn

from cloud.app.http import create_app
from cloud.core.clock import SetClock
from cloud.queues.states import CounterStep
from cloud.settings import CloudSettings
from cloud.storage import schema
from cloud.web.site import build_site
from cloud.web.stream import LiveStream
from cloud.wiring import Cloud, build
from device_profiles.messages.facts import status_fact
from tests.builders.clouds import HALL, MORNING, come_online, tell


class PageHouse:
    """The running cloud. ``url`` is its address; ``stop`` and ``start`` are a lost connection and its return."""

    def __init__(self, cloud: Cloud, clock: SetClock, port: int) -> None:
        self.cloud, self.clock, self.port = cloud, clock, port
        self.site = build_site(cloud, LiveStream(cloud.settings.halls, beat_s=0.5, gather_s=0.05))
        self._serving: asyncio.Task[None] | None = None
        self._server: uvicorn.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        config = uvicorn.Config(
            create_app(self.cloud, self.site), "127.0.0.1", self.port, log_level="warning", lifespan="off"
        )
        self._server = server = uvicorn.Server(config)
        self._serving = asyncio.create_task(server._serve())  # without its signal handlers: pytest has its own
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

    async def machines_online(self, *, but: tuple[str, ...] = ()) -> None:
        """Every machine of the hall announces itself and reports that all its slots work."""
        for machine in self.cloud.register.machines.values():
            if machine.id not in but:
                await come_online(self.cloud, machine.id)
                values = {slot: {"device": "online"} for slot in machine.capabilities}
                await tell(self.cloud, machine.id, "machine.reported", {"version": 1, "values": values})

    async def status(self, machine: str, slot: str, field: str, value: str) -> None:
        """A status field of a slot takes another value."""
        fact_type, change = status_fact(self.cloud.register.capability(machine, slot), field, value, None)
        await tell(self.cloud, machine, fact_type, change.model_dump(mode="json"), slot)

    async def ticket(self, service: str) -> tuple[str, str]:
        """A citizen takes a ticket: its number and token."""
        issued = await self.cloud.db.write(
            lambda tx: self.cloud.queues.tickets.issue(tx, self.cloud.settings.halls[0], service)
        )
        return issued.number, issued.token

    async def counter(self, counter: str, step: str) -> None:
        """A clerk's key: open, pause, close, call_next, recall, start, finish, no_show."""
        desk = self.cloud.queues.counters
        if step in tuple(CounterStep):
            await self.cloud.db.write(lambda tx: desk.turn(tx, counter, CounterStep(step)))
        else:
            await self.cloud.db.write(lambda tx: getattr(desk, step)(tx, counter))

    async def consider(self) -> None:
        """Dispatch looks at the hall."""
        await self.cloud.db.write(self.cloud.dispatch.look_everywhere)


@asynccontextmanager
async def open_house(folder: Path, port: int, hall: str = HALL, demo: bool = True) -> AsyncIterator[PageHouse]:
    """A house with an empty store, ready for visitors. A hall of the test's own stands in ``folder/profiles``."""
    clock = SetClock(MORNING)
    profiles = folder / "profiles"
    settings = CloudSettings(
        data_dir=folder,
        halls=[hall],
        demo=demo,
        profiles_dir=profiles if profiles.exists() else None,
    )
    async with open_cloud_with(settings, clock) as cloud:
        house = PageHouse(cloud, clock, port)
        await house.start()
        try:
            yield house
        finally:
            house.site.stream.close()
            await house.stop()


@asynccontextmanager
async def open_cloud_with(settings: CloudSettings, clock: SetClock) -> AsyncIterator[Cloud]:
    """The cloud with these settings, prepared as a start of the process does."""
    cloud = build(settings, clock)
    schema.upgrade(cloud.db.write_engine)
    async with cloud.db:
        for prepare in cloud.preparations:
            await cloud.db.write(prepare)
        yield cloud
