"""Start a whole hall in the right order and wait until it serves people."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from simulators.demo.link_cut import LinkCut
from simulators.demo.plan import BROKER, CLOUD, DEPARTMENTS, HALL, Plan, write_files
from simulators.demo.processes import Supervisor

READY_LIMIT_S = 60.0
DEMO_LOAD = 1.15  # a busy day: queues grow, so that there is something to see and to propose
_POLL_S = 0.1
Ready = Callable[[], Awaitable[bool]]


class NotReady(Exception):
    """A part of the hall did not come up in time."""


@dataclass
class RunningHall:
    """A hall whose processes are up. ``cuts`` holds the relays of machines whose uplink can be cut."""

    plan: Plan
    supervisor: Supervisor
    cuts: dict[str, LinkCut] = field(default_factory=dict)
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=10.0, trust_env=False))

    async def start(self, *, with_cuts_for: tuple[str, ...] = ()) -> float:
        """Start everything; return the seconds until every machine was online. Raises NotReady or ProcessEnded."""
        began = time.monotonic()
        relay_ports = {}
        for machine in with_cuts_for:
            self.cuts[machine] = LinkCut(self.plan.broker_port)
            relay_ports[machine] = await self.cuts[machine].start()
        write_files(self.plan, relay_ports)
        await self._start_processes()
        await self.wait_for(self.cloud_ready, "the cloud answers on /readyz")
        await self.wait_for(self.all_online, "every machine is online with every slot working")
        return time.monotonic() - began

    async def stop(self) -> None:
        """End everything that ``start`` began."""
        await self.http.aclose()
        await self.supervisor.stop()
        for cut in self.cuts.values():
            await cut.stop()

    async def _start_processes(self) -> None:
        plan, start, folder = self.plan, self.supervisor.start, self.plan.folder
        await start(BROKER, "cloud", "broker", "--port", str(plan.broker_port))
        await start(
            DEPARTMENTS, "simulate", "departments", "--port", str(plan.departments_port),
            "--data", str(folder / "departments.db"),
        )  # fmt: skip
        await start(
            HALL, "simulate", "hall", "--hall", plan.hall.id, "--dir", str(folder / "dev"),
            "--control-port", str(plan.control_port), "--screens", str(folder / "screens.json"),
            "--seed", str(plan.seed), "--speed", str(plan.speed), "--load", str(DEMO_LOAD),
            *(["--paused"] if plan.people_paused else []),
        )  # fmt: skip
        await start(CLOUD, "cloud", "serve", "--config", str(folder / "cloud.toml"))
        for machine in plan.hall.machines:
            await start(machine.id, "edge", "run", "--config", str(folder / f"{machine.id}.toml"))

    async def wait_for(self, ready: Ready, what: str, limit_s: float = READY_LIMIT_S) -> None:
        """Wait until ``ready()`` holds; NotReady with ``what`` after ``limit_s``, ProcessEnded for a dead child."""
        deadline = time.monotonic() + limit_s
        while not await ready():
            self.supervisor.check_alive()
            if time.monotonic() > deadline:
                raise NotReady(f"expected within {limit_s:.0f} s: {what}; logs: {self.supervisor.log_dir}")
            await asyncio.sleep(_POLL_S)

    async def cloud_ready(self) -> bool:
        """Whether the cloud serves."""
        try:
            return (await self.http.get(f"{self.plan.cloud_url}/readyz")).status_code == 200
        except httpx.TransportError:
            return False

    async def machines(self) -> dict[str, dict[str, Any]]:
        """The machines by id, as the hall's live page has them; empty while the cloud does not answer."""
        return {machine["id"]: machine for machine in (await self._live()).get("machines", [])}

    async def counters(self) -> list[dict[str, Any]]:
        """The counters, as the hall's live page has them; empty while the cloud does not answer."""
        counters: list[dict[str, Any]] = (await self._live()).get("counters", [])
        return counters

    async def _live(self) -> dict[str, Any]:
        try:
            answer = await self.http.get(f"{self.plan.cloud_url}/api/v1/halls/{self.plan.hall.id}/live")
        except httpx.TransportError:
            return {}
        snapshot: dict[str, Any] = answer.json() if answer.is_success else {}
        return snapshot

    async def all_online(self) -> bool:
        """Whether every machine of the hall is online and each of its slots works."""
        machines = await self.machines()
        return len(machines) == len(self.plan.hall.machines) and all(map(is_well, machines.values()))


def is_well(machine: dict[str, Any]) -> bool:
    """Whether the cloud sees this machine online and each of its slots online."""
    return bool(machine["online"]) and all(slot["device"] == "online" for slot in machine["slots"])


def new_run(plan: Plan) -> RunningHall:
    """A hall that is ready to be started; logs go to the plan's folder."""
    return RunningHall(plan, Supervisor(Path(plan.folder) / "logs"))
