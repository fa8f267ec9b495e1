"""The control API: hands and eyes in the hall, over HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from simulators.control import control_app
from simulators.machine import SimulatedMachine
from simulators.people import People
from tests.simulators.bench import CATALOG, SEED

DEVICE = "/machines/ticket-1/slots/id_reader"


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    people = People(SEED)
    machine = SimulatedMachine("ticket-1", CATALOG.machine("ticket-machine"), CATALOG, tmp_path, people)
    machine.plug()
    transport = httpx.ASGITransport(control_app({"ticket-1": machine}, people))
    async with httpx.AsyncClient(transport=transport, base_url="http://control") as client:
        yield client
    machine.unplug()


async def _json(client: httpx.AsyncClient, method: str, path: str, body: object = None) -> tuple[int, Any]:
    response = await client.request(method, path, json=body)
    return response.status_code, response.json()


async def test_machines_slots_and_links_are_listed(hands: httpx.AsyncClient, tmp_path: Path) -> None:
    _, machines = await _json(hands, "GET", "/machines")
    slots = machines["ticket-1"]["slots"]
    assert set(slots) == set(CATALOG.machine("ticket-machine").slots)
    assert slots["printer"]["link"] == str(tmp_path / "ticket-1" / "printer")
    assert (tmp_path / "ticket-1" / "printer").exists()


async def test_button_changes_what_is_seen(hands: httpx.AsyncClient) -> None:
    assert await _json(hands, "POST", f"{DEVICE}/press/insert_card", {"person": "p001"}) == (200, {"result": None})
    _, seen = await _json(hands, "GET", DEVICE)
    assert seen["snapshot"]["card"] == "p001"
    assert seen["plugged"] is True
    assert "remove_card" in seen["buttons"]


async def test_button_without_arguments_needs_no_body(hands: httpx.AsyncClient) -> None:
    assert (await hands.post(f"{DEVICE}/press/remove_card")).status_code == 200


async def test_cable_can_be_pulled_and_put_in(hands: httpx.AsyncClient) -> None:
    assert await _json(hands, "POST", f"{DEVICE}/unplug") == (200, {"plugged": False})
    assert (await _json(hands, "GET", DEVICE))[1]["plugged"] is False
    assert await _json(hands, "POST", f"{DEVICE}/plug") == (200, {"plugged": True})


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/machines/ticket-9/slots/id_reader/press/insert_card", {}, 404, "ticket-1"),
        ("/machines/ticket-1/slots/camera/press/insert_card", {}, 404, "id_reader"),
        (f"{DEVICE}/press/explode", {}, 404, "insert_card"),
        (f"{DEVICE}/press/insert_card", {"who": "p001"}, 409, "person: str"),
        (f"{DEVICE}/press/insert_card", {"person": "p999"}, 404, "p400"),
        ("/people/resume", None, 409, "hall"),
        ("/people/p999/payment-code", None, 404, "p400"),
    ],
)
async def test_mistakes_are_told(hands: httpx.AsyncClient, path: str, body: object, status: int, words: str) -> None:
    got, answer = await _json(hands, "POST", path, body)
    assert got == status
    assert words in answer["detail"]


async def test_people_show_what_only_they_know(hands: httpx.AsyncClient) -> None:
    _, people = await _json(hands, "GET", "/people")
    assert people["p001"]["id_number"].startswith("000000")
    shown = people["p001"]["payment_code"]
    _, fresh = await _json(hands, "POST", "/people/p001/payment-code")
    assert fresh["code"] != shown
    _, people = await _json(hands, "GET", "/people")
    assert people["p001"]["payment_code"] == fresh["code"]
    assert (await _json(hands, "GET", "/people/p001/permit"))[1] == {"owner": "p001", "face": []}


async def test_line_faults_are_buttons_too(hands: httpx.AsyncClient) -> None:
    await hands.post(f"{DEVICE}/press/line_fault", json={"kind": "drop", "count": 2})
    _, seen = await _json(hands, "GET", DEVICE)
    assert seen["snapshot"]["line_fault"] == "drop"
