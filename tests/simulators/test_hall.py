"""A hall full of people against stand-ins for agents and cloud: they queue, are served, rate, and survive outages."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from device_profiles.catalog import Catalog
from simulators.attendant import tend
from simulators.errors import SimulatorError
from simulators.hall import HallOptions, SimulatedHall
from simulators.people import People
from simulators.room import Room
from simulators.screens import Screens, read_screens
from simulators.serving import serve
from simulators.tempo import Tempo
from tests.servers.process import free_port
from tests.simulators.bench import CATALOG
from tests.simulators.fake_agents import Hall

TICKET_MACHINES = ("ticket-1", "ticket-2", "kiosk-1")
CLERKS = {f"counter-{n}" for n in range(1, 7)}


class Running:
    """A hall with its control API and the stand-ins behind it."""

    def __init__(self, hall: SimulatedHall, agents: Hall, hands: httpx.AsyncClient) -> None:
        self.hall, self.agents, self.hands = hall, agents, hands

    async def counts(self) -> dict[str, int]:
        activity = (await self.hands.get("/activity")).json()
        return {name: int(value) for name, value in activity["counts"].items()}

    async def until(self, name: str, at_least: int) -> dict[str, int]:
        """Wait until that has happened so often."""
        deadline = asyncio.get_running_loop().time() + 20
        while (counts := await self.counts()).get(name, 0) < at_least:
            assert asyncio.get_running_loop().time() < deadline, counts
            await asyncio.sleep(0.02)
        return counts


def modbus_counters() -> Catalog:
    """The stand-in for the agents speaks the Modbus binding only, so every counter has those devices."""
    plain = CATALOG.machine("counter-set")
    machines = {
        name: plain.model_copy(update={"id": name}) if machine.kind == plain.kind else machine
        for name, machine in CATALOG.machines.items()
    }
    return Catalog(CATALOG.peripherals, machines, CATALOG.halls)


@asynccontextmanager
async def running(tmp_path: Path, *, paused: bool = False, down: bool = False) -> AsyncIterator[Running]:
    screen_port, control_port = free_port(), free_port()
    screens = tmp_path / "screens.json"
    screens.write_text(json.dumps(dict.fromkeys(TICKET_MACHINES, screen_port)))
    options = HallOptions("demo-hall", tmp_path / "dev", control_port, 1, 400.0, screens, paused)
    hall = SimulatedHall(modbus_counters(), options)
    agents = Hall(hall.machines, {service.id: service.prefix for service in hall.profile.services})
    agents.down = down
    stop, ready = asyncio.Event(), asyncio.Event()
    hands = httpx.AsyncClient(base_url=f"http://127.0.0.1:{control_port}", trust_env=False)
    async with hands, asyncio.TaskGroup() as group:
        group.create_task(serve(agents.screens(), screen_port, stop))
        group.create_task(hall.run(stop, ready))
        calling = group.create_task(agents.run())
        try:
            await asyncio.wait_for(ready.wait(), 10)
            await _reachable(hands)
            yield Running(hall, agents, hands)
        finally:
            stop.set()
            calling.cancel()


async def _reachable(hands: httpx.AsyncClient) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        try:
            await hands.get("/healthz")
            return
        except httpx.TransportError:
            assert asyncio.get_running_loop().time() < deadline, "the control API does not answer"
            await asyncio.sleep(0.02)


async def test_citizens_are_called_served_and_rate(tmp_path: Path) -> None:
    async with running(tmp_path) as day:
        counts = await day.until("rated", 5)
        assert counts["served"] >= 5
        assert counts["tickets"] >= counts["served"]
        assert {machine for machine, _ in day.agents.keys} <= CLERKS
        pressed = [key for _, key in day.agents.keys]
        assert pressed.count(3) >= pressed.count(4) >= 5  # start before finish


async def test_people_stand_still_while_paused_and_go_on(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as day:
        assert (await day.hands.get("/activity")).json() == {"paused": True, "counts": {}, "waiting": [], "inside": 0}
        await day.hands.post("/people/resume")
        await day.until("arrived", 3)


async def test_dark_screens_and_dead_agents_send_nobody_mad(tmp_path: Path) -> None:
    async with running(tmp_path, down=True) as day:
        await day.until("screen_unavailable", 20)
        day.agents.down = False
        await day.until("served", 2)


async def test_everything_is_unplugged_at_the_end(tmp_path: Path) -> None:
    async with running(tmp_path, paused=True) as day:
        links = [port.link for machine in day.hall.machines.values() for port in machine.ports.values()]
        assert all(link.exists() for link in links)
    assert not any(link.exists() for link in links)


async def test_attendant_puts_paper_where_it_is_out(tmp_path: Path) -> None:
    hall = SimulatedHall(CATALOG, HallOptions("demo-hall", tmp_path))
    async with Screens({}) as screens:
        room = Room(hall.profile, hall.machines, hall.people, screens, Tempo(), 1)
        room.press("ticket-1", "printer", "paper_out")
        for slot in hall.machines["ticket-1"].ports:
            tend(room, "ticket-1", slot)
        assert room.see("ticket-1", "printer")["paper"] == "full"
        room.press("endorse-1", "card_unit", "fill_bin")
        tend(room, "endorse-1", "card_unit")
        assert room.see("endorse-1", "card_unit")["bin"] == 0
        assert room.press("ticket-1", "printer", "load_the_dishwasher") is False


async def test_pause_holds_everybody_back() -> None:
    tempo = Tempo(1000.0)
    tempo.pause()
    walk = asyncio.ensure_future(tempo.spend(1.0))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(walk), 0.05)
    tempo.resume()
    await asyncio.wait_for(walk, 1.0)


@pytest.mark.parametrize("text", ["[]", "{", '{"ticket-1": "8081"}'])
def test_bad_file_of_screens_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "screens.json"
    file.write_text(text)
    with pytest.raises(SimulatorError, match="machine: port"):
        read_screens(file)


def test_devices_of_a_machine_share_people_and_card_path(tmp_path: Path) -> None:
    hall = SimulatedHall(CATALOG, HallOptions("demo-hall", tmp_path, seed=5))
    assert list(hall.people) == list(People(5))
    unit, printer = (hall.machines["endorse-1"].snapshot(slot) for slot in ("card_unit", "card_printer"))
    assert (unit["position"], printer["position"]) == ("none", "none")
