"""Broker, database, cloud and machines as processes of their own, each machine behind a cable that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from edge_agent.outbox.sqlite import read_depth
from edge_agent.ports import Depth
from simulators.demo.link_cut import LinkCut
from tests.e2e.chaos.producer import ACCEPTED, OUTBOX_FILE
from tests.e2e.chaos.victims import Victim, alive
from tests.servers import mosquitto, postgres
from tests.servers.process import Server, free_port

HALL = "chaos-hall"
READY_S = 60.0
_HALL_HEAD = """\
name_zh = "演练大厅"
name_en = "Chaos Hall"
timezone = "Asia/Shanghai"
width_m = 30.0
depth_m = 30.0
services = []
clerks = []
counters = []
"""


@dataclass(frozen=True)
class Plan:
    """How large the town is. ``per_s``: facts that each machine tells a second."""

    machines: int
    facts: int
    per_s: float
    mosquitto: bool = False
    postgres: bool = False
    wipe: bool = False  # a broker that is killed forgets everything

    @property
    def names(self) -> list[str]:
        """The machines."""
        return [f"chaos-{number}" for number in range(1, self.machines + 1)]


@dataclass
class Town:
    """Everything that runs; ``servers`` are the broker's and the database's, where they are servers of their own."""

    plan: Plan
    folder: Path
    port: int
    machines: dict[str, Victim]
    cables: dict[str, LinkCut]
    cloud: Victim
    broker: Victim | Server
    database: Server | None

    def depth(self, machine: str) -> Depth:
        """What waits in a machine's outbox."""
        return read_depth(self.folder / machine / OUTBOX_FILE)

    def accepted(self, machine: str) -> int:
        """How many facts the machine's outbox has accepted."""
        file = self.folder / machine / ACCEPTED
        return int(file.read_text() or 0) if file.exists() else 0

    async def get(self, path: str) -> dict[str, object]:
        """GET from the cloud."""
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            answer = await http.get(f"http://127.0.0.1:{self.port}{path}")
            answer.raise_for_status()
            found: dict[str, object] = answer.json()
            return found

    async def is_ready(self) -> bool:
        """Whether the cloud serves."""
        try:
            return bool(await self.get("/readyz"))
        except httpx.HTTPError:
            return False


async def until(condition: Callable[[], object], within_s: float, what: Callable[[], str]) -> None:
    """Wait until ``condition`` (may be a coroutine function) holds; fails with ``what`` after so long."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                found = condition()
                if await found if asyncio.iscoroutine(found) else found:
                    return
                await asyncio.sleep(0.25)
    except TimeoutError:
        raise AssertionError(f"did not happen within {within_s:.0f} s: {what()}") from None


@asynccontextmanager
async def open_town(folder: Path, plan: Plan) -> AsyncIterator[Town]:
    """Start everything and wait until the cloud serves."""
    async with AsyncExitStack() as stack:
        broker_port, port = free_port(), free_port()
        broker: Victim | Server
        first: list[Victim] = []
        if plan.mosquitto:
            broker = stack.enter_context(mosquitto.serve(port=broker_port)).process
        else:
            argv = ("hallfleet", "cloud", "broker", "--port", str(broker_port))
            broker = Victim("broker", argv, folder / "broker.log")
            first.append(broker)
        database, url = None, ""
        if plan.postgres:
            cluster = stack.enter_context(postgres.serve(fsync=True))
            database, url = cluster.process, cluster.url()
        settings = _write_settings(folder, plan, broker_port, port, url)
        cloud = Victim(
            "cloud", ("hallfleet", "cloud", "serve", "--migrate", "--config", str(settings)), folder / "cloud.log"
        )
        machines, cables = {}, {}
        for name in plan.names:
            (folder / name).mkdir()
            cables[name] = LinkCut(broker_port)
            own_port = await cables[name].start()
            stack.push_async_callback(cables[name].stop)
            argv = (str(folder / name), name, str(own_port), str(plan.facts), str(plan.per_s))
            machines[name] = Victim(name, ("tests.e2e.chaos.producer", *argv), folder / f"{name}.log")
        town = Town(plan, folder, port, machines, cables, cloud, broker, database)
        await stack.enter_async_context(alive([*first, cloud]))
        await until(town.is_ready, READY_S, lambda: f"the cloud is ready: {cloud.log.read_text()[-2000:]}")
        await stack.enter_async_context(alive(list(machines.values())))
        yield town


def _write_settings(folder: Path, plan: Plan, broker_port: int, port: int, url: str) -> Path:
    halls = folder / "profiles" / "halls"
    halls.mkdir(parents=True)
    members = [
        f'\n[[machines]]\nid = "{name}"\nprofile = "kiosk"\nx = {1 + number}.0\ny = 2.0\n'
        for number, name in enumerate(plan.names)
    ]
    (halls / f"{HALL}.toml").write_text(_HALL_HEAD + "".join(members))
    settings = folder / "cloud.toml"
    settings.write_text(
        f'halls = ["{HALL}"]\nprofiles_dir = "{folder / "profiles"}"\ndata_dir = "{folder / "cloud"}"\n'
        f'database_url = "{url}"\nbroker = "mqtt://127.0.0.1:{broker_port}"\nport = {port}\ndemo = true\n'
        'log_level = "warning"\n'
    )
    return settings
