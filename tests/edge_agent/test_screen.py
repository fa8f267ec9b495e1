"""The machine's own pages: their API over real HTTP, and the cloud's commands to the screen."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from device_profiles.capabilities.model import Action, Shape
from device_profiles.capabilities.screen import ChooseArgs, ShowArgs
from device_profiles.catalog import load_catalog
from device_profiles.messages.twin import DesiredAgent, ServiceOffer
from edge_agent.errors import AgentError
from edge_agent.lease import Lease
from edge_agent.local_flows.book import TicketBook
from edge_agent.local_flows.ticket import TicketDesk, TicketParts
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.ports import SlotView
from edge_agent.screen.board import READ_S, SESSION_IDLE_S, TRANSITIONS, Board, ViewKind
from edge_agent.screen.desk import DeskParts, ScreenDesk
from edge_agent.screen.guard import CitizenGuard
from edge_agent.screen.routes import application
from edge_agent.screen.server import serve
from edge_agent.screen.slot import ScreenSlot
from edge_agent.slots.runner import SlotParts
from edge_agent.storage import Values
from firmware_bridge.errors import DeviceFault
from tests.edge_agent.fakes import (
    FakeDriver,
    FixedDesired,
    Listener,
    VirtualClock,
    eventually,
    machine_file,
    make_slot,
    running,
    settle,
)
from tests.servers.process import free_port

ITEM = "hk-macao-endorsement"
SHOW = {"message": {"zh": "请插卡", "en": "Insert the card"}, "tone": "act"}
QUESTION = {
    "question": {"zh": "哪里", "en": "Where to"},
    "options": [
        {"id": "hk", "label": {"zh": "香港", "en": "Hong Kong"}},
        {"id": "mo", "label": {"zh": "澳门", "en": "Macao"}},
    ],
    "wait_s": 20,
}
AGENT = DesiredAgent(
    public_url="http://hall.test",
    day="2026-03-02",
    services={"household": ServiceOffer(prefix="A", name_zh="户籍", name_en="Household", blocks=[(1, 50)])},
    items={ITEM: ("签注", "Endorsement"), "elsewhere": ("别处", "Elsewhere")},
)


@dataclass
class Screen:
    """A machine that hands out tickets and offers one journey."""

    pages: httpx.AsyncClient
    board: Board
    slot: ScreenSlot
    outbox: MemoryOutbox
    clock: VirtualClock
    printer: FakeDriver
    desired: FixedDesired
    online: bool = True
    out_of_service: bool = False
    lease: Lease = field(init=False)

    async def state(self) -> dict[str, Any]:
        found: dict[str, Any] = (await self.pages.get("/api/state")).json()
        return found

    async def view(self) -> dict[str, Any]:
        view: dict[str, Any] = (await self.state())["view"]
        return view

    async def take(self, visit: str = "visit-0001", **changes: Any) -> httpx.Response:
        return await self.pages.post("/api/tickets", json={"service": "household", "visit": visit} | changes)

    async def show(self, **changes: Any) -> Shape:
        return await self.slot.execute("show", ShowArgs.model_validate(SHOW | changes), run_for_s=60)

    def choose(self) -> "asyncio.Future[Shape]":
        return asyncio.ensure_future(self.slot.execute("choose", ChooseArgs.model_validate(QUESTION), run_for_s=60))


@asynccontextmanager
async def screen_of(folder: Path) -> AsyncIterator[Screen]:
    clock, outbox, desired = VirtualClock(), MemoryOutbox(), FixedDesired(AGENT)
    board, printer = Board(clock), FakeDriver("printer")
    slot = ScreenSlot(board, clock)
    (folder / "port").touch()
    runner = make_slot(printer, folder / "port", SlotParts(clock, outbox, Listener()))
    views: dict[str, SlotView] = {"printer": runner, "screen": slot}
    profile = load_catalog().machine("kiosk").model_copy(update={"items": [ITEM]})
    port = free_port()
    async with (
        machine_file(folder) as file,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as pages,
    ):
        tickets = TicketDesk(TicketParts(TicketBook(file), outbox, desired, clock, views))
        found = Screen(pages, board, slot, outbox, clock, printer, desired)
        found.lease = Lease(Values(file), clock)
        guard = CitizenGuard(board, found.lease, lambda: found.out_of_service)
        online = lambda: found.online  # noqa: E731
        desk = ScreenDesk(
            DeskParts("kiosk-1", profile, board, slot, tickets, outbox, desired, clock, views, online, guard)
        )
        async with running(runner.run, board.run, guard.run, lambda: serve(application(desk), port)):
            await clock.until(lambda: runner.ready)
            await until_served(pages)
            yield found


async def until_served(pages: httpx.AsyncClient) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                await pages.get("/api/state")
                return
            except httpx.ConnectError:
                await settle()


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[Screen]:
    async with screen_of(tmp_path) as found:
        yield found


def test_every_view_can_be_reached_and_left() -> None:
    assert set().union(*TRANSITIONS.values()) == set(ViewKind)
    assert all(TRANSITIONS[kind] for kind in ViewKind)


async def test_the_state_says_what_can_be_done(screen: Screen) -> None:
    state = await screen.state()
    assert state["services"] == [{"id": "household", "zh": "户籍", "en": "Household", "left": 50}]
    assert state["items"] == [{"id": ITEM, "zh": "签注", "en": "Endorsement"}]
    assert (state["machine"], state["online"], state["printer"], state["cards"]) == ("kiosk-1", True, True, False)
    assert state["view"] == {"kind": "idle"}


async def test_a_ticket_on_paper(screen: Screen) -> None:
    answer = await screen.take()
    assert answer.status_code == 201
    found = answer.json()
    assert (found["number"], found["medium"]) == ("A001", "paper")
    assert "qr_svg" not in found
    assert (await screen.take()).json() == found
    assert (await screen.state())["services"][0]["left"] == 49


async def test_a_ticket_on_the_screen_carries_its_code(screen: Screen) -> None:
    async def fail(args: Shape) -> Shape:
        raise DeviceFault("paper_out", Action.CLEAR, "no paper")

    screen.printer.acts["print"] = fail
    found = (await screen.take()).json()
    assert found["medium"] == "screen"
    assert found["qr_svg"].startswith("<svg")
    assert set(found["notice"]) == {"zh", "en"}


async def test_tickets_work_with_the_link_down_and_journeys_say_why_not(screen: Screen) -> None:
    screen.online = False
    assert (await screen.take()).status_code == 201
    refused = await screen.pages.post("/api/sessions", json={"item": ITEM})
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    problem = refused.json()
    assert (problem["code"], problem["status"]) == ("offline", 503)
    assert problem["zh"]
    assert problem["en"]


async def test_a_journey_starts_with_a_fact_and_holds_the_screen(screen: Screen) -> None:
    started = await screen.pages.post("/api/sessions", json={"item": ITEM})
    session = started.json()["session_id"]
    row = screen.outbox.rows[-1]
    assert (row.slot, row.type, row.data) == ("screen", "session.started", {"session_id": session, "item": ITEM})
    assert (await screen.view())["session_id"] == session
    assert (await screen.pages.post("/api/sessions", json={"item": ITEM})).status_code == 409
    assert (await screen.take()).status_code == 409


async def test_the_cloud_shows_messages_and_ends_the_journey(screen: Screen) -> None:
    await screen.pages.post("/api/sessions", json={"item": ITEM})
    await screen.show()
    assert (await screen.view())["message"] == SHOW["message"]
    await screen.show(end_session=True, tone="done")
    view = await screen.view()
    assert view["tone"] == "done"
    assert "session_id" not in view
    screen.clock.advance(READ_S + 1)
    await eventually(lambda: screen.board.view.kind is ViewKind.IDLE)


async def test_a_journey_that_nobody_continues_gives_the_screen_back(screen: Screen) -> None:
    await screen.pages.post("/api/sessions", json={"item": ITEM})
    screen.clock.advance(SESSION_IDLE_S + 1)
    await eventually(lambda: screen.board.view.kind is ViewKind.IDLE)


async def test_a_question_is_answered_by_touch(screen: Screen) -> None:
    asked = screen.choose()
    await eventually(lambda: screen.board.view.kind is ViewKind.QUESTION)
    view = await screen.view()
    assert view["question"] == QUESTION["question"]
    assert [option["id"] for option in view["options"]] == ["hk", "mo"]
    assert (await screen.pages.post("/api/answer", json={"option": "us"})).status_code == 409
    assert (await screen.pages.post("/api/answer", json={"option": "mo"})).status_code == 204
    assert (await asked).model_dump() == {"option": "mo"}
    assert (await screen.pages.post("/api/answer", json={"option": "mo"})).status_code == 409


async def test_a_question_that_nobody_answers_ends_by_itself(screen: Screen) -> None:
    asked = screen.choose()
    await eventually(lambda: screen.board.view.kind is ViewKind.QUESTION)
    screen.clock.advance(21)
    with pytest.raises(DeviceFault, match="no_choice"):
        await asked


async def test_changes_are_pushed(screen: Screen) -> None:
    async with opened_stream(screen) as lines:
        assert (await next_state(lines))["view"] == {"kind": "idle"}
        await screen.show()
        assert (await next_state(lines))["view"]["kind"] == "message"


@asynccontextmanager
async def opened_stream(screen: Screen) -> AsyncIterator[asyncio.StreamReader]:
    """Server-sent events as a browser reads them: line by line from one connection."""
    url = screen.pages.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"GET /api/stream HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n\r\n".encode())
    try:
        yield reader
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def next_state(lines: asyncio.StreamReader) -> dict[str, Any]:
    async with asyncio.timeout(5):
        while line := await lines.readline():
            if line.startswith(b"data: "):
                state: dict[str, Any] = json.loads(line.removeprefix(b"data: "))
                return state
    raise EOFError("the stream ended")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tickets", {}),
        ("/api/tickets", {"service": "household", "visit": "short"}),
        ("/api/tickets", {"service": "household", "visit": "visit-0001", "number": 7}),
        ("/api/tickets", {"service": "x" * 1_000, "visit": "visit-0001"}),
        ("/api/sessions", {"item": 5}),
        ("/api/answer", []),
    ],
)
async def test_a_wrong_body_is_a_clear_problem(screen: Screen, path: str, body: Any) -> None:
    answer = await screen.pages.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "bad_request"
    assert answer.json()["detail"]


@pytest.mark.parametrize(("service", "status"), [("nothing", 404), ("household", 201)])
async def test_an_unknown_service_is_not_found(screen: Screen, service: str, status: int) -> None:
    assert (await screen.take(service=service)).status_code == status


async def test_another_sites_form_cannot_take_a_ticket(screen: Screen) -> None:
    body = json.dumps({"service": "household", "visit": "visit-0001"})
    form = await screen.pages.post("/api/tickets", content=body, headers={"content-type": "text/plain"})
    assert form.status_code == 415
    other = await screen.pages.get("/api/state", headers={"host": "evil.test"})
    assert other.status_code == 400


async def test_a_port_that_is_taken_is_a_clear_error(screen: Screen) -> None:
    port = screen.pages.base_url.port
    assert port is not None
    with pytest.raises(AgentError, match=f"screen_port: expected a free port, 127.0.0.1:{port}"):
        await serve(object(), port)


async def test_ending_the_server_ends_its_streams(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with screen_of(tmp_path) as screen:
            lines = await stack.enter_async_context(opened_stream(screen))
            await next_state(lines)
        with pytest.raises(EOFError):
            await next_state(lines)


async def test_out_of_service_is_said_and_nobody_may_begin(screen: Screen) -> None:
    screen.out_of_service = True
    hold = await screen.lease.ask("vendor mode")
    screen.board.touch()
    await screen.clock.until(lambda: screen.board.view.kind is ViewKind.OUT_OF_SERVICE)
    assert set((await screen.view())["message"]) == {"zh", "en"}
    refused = await screen.take()
    assert (refused.status_code, refused.json()["code"]) == (503, "out_of_service")
    assert refused.json()["zh"]
    began = await screen.pages.post("/api/sessions", json={"item": ITEM})
    assert (began.status_code, began.json()["code"]) == (503, "out_of_service")
    screen.out_of_service = False
    hold.release()
    screen.board.touch()
    await screen.clock.until(lambda: screen.board.view.kind is ViewKind.IDLE)
    assert (await screen.take()).status_code == 201


async def test_a_journey_holds_the_machine_until_it_leaves_the_screen(screen: Screen) -> None:
    began = await screen.pages.post("/api/sessions", json={"item": ITEM})
    session = began.json()["session_id"]
    assert screen.lease.serving == {session}
    await screen.show(end_session=True)
    await screen.clock.until(lambda: not screen.lease.serving)


async def test_a_ticket_is_refused_politely_while_an_act_has_the_machine(screen: Screen) -> None:
    hold = await screen.lease.ask("test print")
    refused = await screen.take()
    assert (refused.status_code, refused.json()["code"]) == (503, "out_of_service")
    assert "moment" in refused.json()["en"]
    hold.release()
    assert (await screen.take()).status_code == 201
