"""A citizen at the endorsement machine does what devices and screen ask for, in whatever order they ask."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, HTTPException, Response

from simulators.hall import HallOptions, SimulatedHall
from simulators.machine import SimulatedMachine
from simulators.room import Room
from simulators.screens import Screens
from simulators.serving import serve
from simulators.tempo import Tempo
from simulators.visitor import Visitor
from tests.servers.process import free_port
from tests.simulators.bench import CATALOG
from tests.simulators.waiting import eventually

MACHINE, PERSON, ITEM = "endorse-1", "p007", "hk-macao-endorsement"
INIT, STATUS, TO_GATE = "F2 00 00 03 43 30 33 03 B2", "F2 00 00 03 43 31 30 03 B0", "F2 00 00 03 43 32 39 03 BA"
OPEN_GATE, SHUT_GATE = "F2 00 00 03 43 33 30 03 B2", "F2 00 00 03 43 33 31 03 B3"
FIND, SELECT, READ = (f"AA AA AA 96 69 00 03 {rest}" for rest in ("20 01 22", "20 02 21", "30 01 32"))
CAPTURE, FEATURES = "EF 01 FF FF FF FF 01 00 03 01 00 05", "EF 01 FF FF FF FF 01 00 04 02 01 00 08"
SEARCH = "EF 01 FF FF FF FF 01 00 08 04 01 00 00 00 C8 00 D6"


class Agent:
    """A stand-in for the machine's agent: raw bytes to the devices, a screen over HTTP."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self._machine = machine
        self.view: dict[str, Any] = {"kind": "idle"}
        self.answered = asyncio.Event()
        self.started = asyncio.Event()
        self.saw: dict[str, Any] = {}

    def screen(self) -> FastAPI:
        app = FastAPI()

        @app.post("/api/sessions", status_code=201)
        async def start(wish: dict[str, str]) -> dict[str, str]:
            if self.view["kind"] != "idle":
                raise HTTPException(409)
            self.view = {"kind": "message", "session_id": "s1"}
            self.saw["item"] = wish["item"]
            self.started.set()
            return {"session_id": "s1"}

        @app.get("/api/state")
        async def state() -> dict[str, Any]:
            return {"view": self.view}

        @app.post("/api/answer", status_code=204)
        async def answer(choice: dict[str, str]) -> Response:
            self.saw["option"] = choice["option"]
            self.view = {"kind": "message", "session_id": "s1"}
            self.answered.set()
            return Response(status_code=204)

        return app

    async def lead(self) -> None:
        """The whole journey."""
        await self.started.wait()
        self._ask("card_unit", INIT)
        self._ask("card_unit", OPEN_GATE)
        await self._until("card_unit", STATUS, lambda said: said[-5:-2] == b"220")  # a card inside
        self._ask("card_unit", SHUT_GATE)
        await self._until("id_reader", FIND, lambda said: said[9:10] == b"\x9f")
        self._ask("id_reader", SELECT)
        self.saw["text"] = self._ask("id_reader", READ)[14:270].decode("utf-16-le")
        await self._until("fingerprint", CAPTURE, lambda said: said[9:10] == b"\x00")
        self._ask("fingerprint", FEATURES)
        self.saw["page"] = int.from_bytes(self._ask("fingerprint", SEARCH)[10:12], "big")
        self.view = {"kind": "question", "session_id": "s1", "options": [{"id": "one"}, {"id": "two"}]}
        await self.answered.wait()
        trigger = "7E 00 08 01 00 02 01 AB CD"
        self.saw["code"] = (await self._until("scanner", trigger, lambda said: said.endswith(b"\r\n")))[7:-2].decode()
        self._ask("card_unit", TO_GATE)
        await self._until("card_unit", STATUS, lambda said: said[-5:-4] == b"0")
        self.view = {"kind": "message"}

    async def _until(self, slot: str, text: str, good: Callable[[bytes], bool]) -> bytes:
        heard = await eventually(lambda: [said for said in [self._ask(slot, text)] if good(said)], limit_s=20.0)
        return heard[0]

    def _ask(self, slot: str, text: str) -> bytes:
        now = asyncio.get_running_loop().time()
        return b"".join(data for _, data in self._machine.ports[slot].peer.receive(bytes.fromhex(text), now))


async def _journey(tmp_path: Path, play: Callable[[Visitor, Agent, Room], Awaitable[None]]) -> None:
    hall = SimulatedHall(CATALOG, HallOptions("demo-hall", tmp_path, speed=50.0))
    agent, port, stop = Agent(hall.machines[MACHINE]), free_port(), asyncio.Event()
    async with asyncio.TaskGroup() as group, Screens({MACHINE: port}) as screens:
        room = Room(hall.profile, hall.machines, hall.people, screens, Tempo(50.0), 1)
        group.create_task(serve(agent.screen(), port, stop))
        leading = group.create_task(agent.lead())
        try:
            await play(Visitor(room, MACHINE, PERSON, random.Random(1)), agent, room)
        finally:
            leading.cancel()
            stop.set()


async def test_visitor_goes_through_a_journey_and_takes_everything_along(tmp_path: Path) -> None:
    async def play(visitor: Visitor, agent: Agent, room: Room) -> None:
        assert await _started(visitor)
        person = room.people.person(PERSON)
        assert agent.saw["item"] == ITEM
        assert agent.saw["text"].startswith(person.name)
        assert agent.saw["page"] == person.finger_page
        assert agent.saw["option"] in ("one", "two")
        assert agent.saw["code"] == room.people.payment_code(PERSON)
        assert room.see(MACHINE, "card_unit")["position"] == "none"
        assert room.see(MACHINE, "id_reader")["card"] == ""
        assert room.see(MACHINE, "fingerprint")["finger"] == ""
        assert room.counts[f"journey_{ITEM}"] == 1

    await _journey(tmp_path, play)


async def test_visitor_leaves_a_machine_that_serves_somebody_else(tmp_path: Path) -> None:
    async def play(visitor: Visitor, agent: Agent, room: Room) -> None:
        agent.view = {"kind": "message", "session_id": "somebody"}
        while room.counts["screen_unavailable"] < 1:
            await visitor.use(ITEM)
        assert room.see(MACHINE, "card_unit")["position"] == "none"

    await _journey(tmp_path, play)


async def _started(visitor: Visitor) -> bool:
    """The screen's server may take a moment."""
    for _ in range(1000):
        if await visitor.use(ITEM):
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize("slot", ["card_unit", "id_reader", "fingerprint", "scanner"])
def test_devices_show_a_visitor_what_they_want(tmp_path: Path, slot: str) -> None:
    hall = SimulatedHall(CATALOG, HallOptions("demo-hall", tmp_path))
    seen = hall.machines[MACHINE].snapshot(slot)
    wanted = {"card_unit": "gate_open", "id_reader": "finds", "fingerprint": "captures", "scanner": "triggered"}
    assert not seen[wanted[slot]]
