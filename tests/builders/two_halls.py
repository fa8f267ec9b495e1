"""One cloud with two halls in the middle of their day, alike but for their names: what is in one is not the other's."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cloud.app.http import create_app
from cloud.core.clock import SetClock
from cloud.queues.states import CounterStep
from cloud.settings import CloudSettings
from cloud.storage import schema
from cloud.storage.tx import Tx
from cloud.web.site import build_site
from cloud.wiring import Cloud, build
from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages.facts import status_fact
from tests.builders.clouds import HALL, MORNING, come_online, tell

OTHER = "other-hall"
PREFIX = {HALL: "", OTHER: "o-"}


@dataclass(frozen=True)
class TwoHalls:
    """``things``: hall -> path parameter -> the id of one such thing there."""

    cloud: Cloud
    http: httpx.AsyncClient
    clock: SetClock
    things: dict[str, dict[str, str]]


@asynccontextmanager
async def open_two_halls(folder: Path, **settings: object) -> AsyncIterator[TwoHalls]:
    """Both halls; streams end after their first line, so that every answer ends."""
    _write_other_hall(folder / "profiles")
    chosen = {"data_dir": folder, "profiles_dir": folder / "profiles", "halls": [HALL, OTHER], **settings}
    clock = SetClock(MORNING)
    cloud = build(CloudSettings.model_validate(chosen), clock)
    schema.upgrade(cloud.db.write_engine)
    async with cloud.db:
        for prepare in cloud.preparations:
            await cloud.db.write(prepare)
        things = {hall: await _fill(cloud, hall, PREFIX[hall]) for hall in (HALL, OTHER)}
        site = build_site(cloud)
        site.stream.close()
        transport = httpx.ASGITransport(create_app(cloud, site), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield TwoHalls(cloud, http, clock, things)
    await cloud.telemetry.close()


def _write_other_hall(profiles: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "device_profiles" / "halls" / f"{HALL}.toml").read_text("utf-8")
    head, _, machines = text.partition("[[machines]]")
    head = re.sub(r'^machine = "', 'machine = "o-', head, flags=re.MULTILINE)
    machines = re.sub(r'^id = "', 'id = "o-', machines, flags=re.MULTILINE)
    (profiles / "halls").mkdir(parents=True)
    (profiles / "halls" / f"{OTHER}.toml").write_text(f"{head}[[machines]]{machines}", "utf-8")


async def _fill(cloud: Cloud, hall: str, prefix: str) -> dict[str, str]:
    machine, journeys = f"{prefix}kiosk-1", f"{prefix}endorse-1"
    await come_online(cloud, machine)
    await come_online(cloud, journeys)
    fault = status_fact(CAPABILITIES["printer"], "paper", "out", "full")
    await tell(cloud, machine, fault[0], fault[1].model_dump(exclude_none=True), "printer")

    def open_day(tx: Tx) -> tuple[str, str, str, str]:
        tickets = [cloud.queues.tickets.issue(tx, hall, "exit-entry") for _ in range(12)]
        for counter in ("c1", "c3"):
            cloud.queues.counters.turn(tx, f"{hall}:{counter}", CounterStep.OPEN)
        case = cloud.flows.start(tx, journeys, "hk-macao-endorsement")
        args = {"blocks": [{"kind": "text", "text": "A001"}]}
        command = cloud.commands.send(tx, machine, "printer", "print", args, start_in_s=30, run_for_s=60, key=hall)
        return tickets[0].ticket_id, tickets[0].token, case.case_id, command

    ticket, token, case_id, command = await cloud.db.write(open_day)
    await cloud.db.write(cloud.dispatch.look_everywhere)
    (proposal, *_) = await cloud.db.read(lambda conn: cloud.dispatch.newest(conn, hall))
    (alert, *_) = await cloud.db.read(lambda conn: cloud.alerts.to_be_seen(conn, hall))
    return {
        "hall": hall,
        "machine": machine,
        "journeys": journeys,
        "counter": f"{hall}:c2",
        "ticket_id": ticket,
        "token": token,
        "case_id": case_id,
        "command_id": command,
        "alert": alert.alert_id,
        "alert_id": alert.alert_id,
        "proposal": proposal.proposal_id,
    }
