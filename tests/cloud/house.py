"""A whole cloud inside a test: built as in production, with its jobs running and its HTTP interface in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiomqtt
import httpx

from cloud.app.http import create_app
from cloud.app.process import prepare_schema
from cloud.core.jobs import keep_running
from cloud.settings import CloudSettings
from cloud.wiring import Cloud, build

WITHIN_S = 10.0


async def eventually(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Wait until ``condition`` holds; fails with ``what`` after a deadline."""
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await condition():  # noqa: ASYNC110 - nothing tells when a condition begins to hold
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"did not happen within {WITHIN_S} s: {what}") from None


@dataclass
class House:
    """The cloud and a client of its HTTP interface."""

    cloud: Cloud
    http: httpx.AsyncClient

    async def get(self, path: str, **parameters: str | int) -> httpx.Response:
        """GET below /api/v1."""
        return await self.http.get(f"/api/v1{path}", params=parameters)


@asynccontextmanager
async def open_house(
    folder: Path, *, broker: str = "mqtt://127.0.0.1:1", database_url: str = "", demo: bool = True, connect: bool = True
) -> AsyncIterator[House]:
    """A cloud with its data in ``folder``; with ``connect`` False no job runs, with ``demo`` False people log in."""
    settings = CloudSettings(
        data_dir=folder,
        broker=broker,
        database_url=database_url,
        demo=demo,
        public_url="http://hall",
    )
    cloud = build(settings)
    transport = httpx.ASGITransport(create_app(cloud), raise_app_exceptions=False)
    async with cloud.db, httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        prepare_schema(cloud, migrate=True)
        for prepare in cloud.preparations:
            await cloud.db.write(prepare)
        async with asyncio.TaskGroup() as group:
            running = cloud.jobs.items() if connect else ()
            jobs = [group.create_task(keep_running(name, job, cloud.metrics)) for name, job in running]
            try:
                if connect:
                    async with asyncio.timeout(WITHIN_S):
                        await cloud.link.connected.wait()
                yield House(cloud, http)
            finally:
                for job in jobs:
                    job.cancel()
    await cloud.telemetry.close()


@asynccontextmanager
async def machine(url: str, machine_id: str) -> AsyncIterator[aiomqtt.Client]:
    """The MQTT connection of a machine."""
    host, _, port = url.removeprefix("mqtt://").partition(":")
    client = aiomqtt.Client(
        host, int(port), identifier=machine_id, protocol=aiomqtt.ProtocolVersion.V5, timeout=WITHIN_S
    )
    async with client:
        yield client


async def next_message(client: aiomqtt.Client, topic: str) -> aiomqtt.Message:
    """The next message on ``topic``; others are skipped."""
    async with asyncio.timeout(WITHIN_S):
        async for message in client.messages:
            if str(message.topic) == topic:
                return message
    raise AssertionError(f"{topic}: the connection ended")
