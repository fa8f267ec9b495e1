"""The process: opens the store, runs every job and the HTTP server in one TaskGroup, and ends cleanly on a signal."""

import asyncio
import gc
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial

import uvicorn

from cloud.app.http import create_app
from cloud.core.errors import Unavailable
from cloud.core.jobs import keep_running
from cloud.settings import CloudSettings
from cloud.storage import schema
from cloud.storage.engine import must_answer, sqlite_file
from cloud.storage.tx import Tx
from cloud.web.site import build_site
from cloud.wiring import Cloud, build
from device_profiles.configuration import make_folder

log = logging.getLogger(__name__)

GRACE_S = 3


def serve(settings: CloudSettings, *, migrate: bool = False) -> None:
    """Run the cloud until SIGTERM or SIGINT. Raises ProfileError or HallfleetError when it cannot begin."""
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("gmqtt").setLevel(logging.ERROR)  # the link says what matters of its connection
    asyncio.run(_serve(settings, migrate))


class _Server(uvicorn.Server):
    """Leaves signals to us: they end the server, and its end ends everything else. ``end_streams`` runs first."""

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()  # a browser's stream never ends by itself
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(settings: CloudSettings, migrate: bool) -> None:
    make_folder("data_dir", settings.data_dir)
    cloud = build(settings)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(cloud.telemetry.close)
        await stack.enter_async_context(cloud.db)
        await asyncio.to_thread(prepare_schema, cloud, migrate)
        await cloud.db.write(partial(_prepare, cloud))
        site = build_site(cloud)
        config = uvicorn.Config(
            create_app(cloud, site),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config, site.stream.close)
        door = stack.enter_context(_listen(settings.host, settings.port))
        gc.collect()
        gc.freeze()  # what the program is made of lives as long as the process: not to be looked at again and again
        with _stopping(server):
            await run(cloud, server, door)


async def run(cloud: Cloud, server: uvicorn.Server, door: socket.socket) -> None:
    """Run all jobs for as long as the server runs."""
    async with asyncio.TaskGroup() as group:
        jobs = [
            group.create_task(keep_running(name, job, cloud.metrics), name=name) for name, job in cloud.jobs.items()
        ]
        try:
            await server.serve([door])
        finally:
            for job in jobs:
                job.cancel()


def prepare_schema(cloud: Cloud, migrate: bool) -> None:
    """Bring an SQLite file to this version; refuse a PostgreSQL that is not, unless told to ``migrate``."""
    with must_answer():
        if migrate or sqlite_file(cloud.settings.database) is not None:
            schema.upgrade(cloud.db.write_engine)
        schema.check(cloud.db.write_engine)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(f"{host}:{port}: cannot listen there: {error.strerror}; is another cloud running?") from error


def _prepare(cloud: Cloud, tx: Tx) -> None:
    for prepare in cloud.preparations:
        prepare(tx)


@contextmanager
def _stopping(server: uvicorn.Server) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
