"""The whole cloud behind a real port of this process, in a thread of its own: garbage meets the server's parser too."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from cloud.app.http import create_app
from cloud.core.clock import SetClock
from cloud.queues.model import Ticket
from cloud.queues.states import CounterStep
from cloud.storage.tx import Tx
from cloud.web.site import build_site
from cloud.wiring import Cloud
from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages.facts import status_fact
from tests.builders.clouds import HALL, MORNING, come_online, open_cloud, tell

STARTS_WITHIN_S = 20.0
MACHINE = "kiosk-1"

Ids = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Served:
    """A hall in the middle of its day. ``ids``: for each path parameter, values that exist."""

    url: str
    document: dict[str, Any]
    ids: Ids

    def client(self) -> httpx.Client:
        """A client that follows nothing and trusts nothing of its surroundings."""
        return httpx.Client(base_url=self.url, trust_env=False, timeout=10)


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """A cloud with a prepared hall and no job running, until the end of the block."""
    thread = _Thread(folder)
    thread.start()
    try:
        if not thread.ready.wait(STARTS_WITHIN_S) or thread.served is None:
            raise AssertionError(f"the cloud did not start within {STARTS_WITHIN_S} s") from thread.error
        yield thread.served
    finally:
        thread.end()


class _Thread(threading.Thread):
    def __init__(self, folder: Path) -> None:
        super().__init__(name="garbage-cloud", daemon=True)
        self.ready = threading.Event()
        self.served: Served | None = None
        self.error: Exception | None = None
        self._folder = folder
        self._server: uvicorn.Server | None = None

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - the thread that waits for us raises it
            self.error = error
        finally:
            self.ready.set()

    def end(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
        self.join(STARTS_WITHIN_S)

    async def _serve(self) -> None:
        async with open_cloud(f"sqlite:///{self._folder}/cloud.db", self._folder, SetClock(MORNING)) as cloud:
            ids = await prepare_hall(cloud)
            site = build_site(cloud)
            app = create_app(cloud, site)
            site.stream.close()  # a stream then ends after its first line, as at the end of the process
            config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
            self._server = uvicorn.Server(config)
            with socket.create_server(("127.0.0.1", 0)) as door:
                self.served = Served(f"http://127.0.0.1:{door.getsockname()[1]}", app.openapi(), ids)
                self.ready.set()
                await self._server.serve([door])
        await cloud.telemetry.close()


async def prepare_hall(cloud: Cloud) -> Ids:
    """Citizens wait and are served, a machine has a fault, a case and a command are under way."""
    await come_online(cloud, MACHINE)
    await come_online(cloud, "endorse-1")
    printer = status_fact(CAPABILITIES["printer"], "paper", "out", "full")
    await tell(cloud, MACHINE, printer[0], printer[1].model_dump(exclude_none=True), "printer")

    def open_day(tx: Tx) -> tuple[list[Ticket], str, str]:
        tickets = [cloud.queues.tickets.issue(tx, HALL, "exit-entry") for _ in range(12)]
        for counter in ("c1", "c3"):
            cloud.queues.counters.turn(tx, counter, CounterStep.OPEN)
        cloud.queues.counters.call_next(tx, "c3")
        case = cloud.flows.start(tx, "endorse-1", "hk-macao-endorsement")
        args = {"blocks": [{"kind": "text", "text": "A001"}]}
        command = cloud.commands.send(
            tx, MACHINE, "printer", "print", args, start_in_s=30.0, run_for_s=60.0, key="first"
        )
        return tickets, case.case_id, command

    tickets, case, command = await cloud.db.write(open_day)
    await cloud.db.write(cloud.dispatch.look_everywhere)
    proposals = await cloud.db.read(lambda conn: cloud.dispatch.newest(conn, HALL))
    alerts = await cloud.db.read(lambda conn: cloud.alerts.to_be_seen(conn, HALL))
    return {
        "hall": [HALL],
        "machine": [MACHINE, "endorse-1", "counter-1"],
        "command_id": [command],
        "ticket_id": [ticket.ticket_id for ticket in tickets],
        "token": [ticket.token for ticket in tickets],
        "counter": ["c1", "c2", "c3", f"{HALL}:c4"],
        "case_id": [case],
        "alert_id": [alert.alert_id for alert in alerts],
        "proposal": [proposal.proposal_id for proposal in proposals],
    }
