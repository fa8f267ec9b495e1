"""Queue, cases, alerts and dispatch over HTTP: the contract's paths, keys and refusals."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.app.http import create_app
from cloud.core.clock import SetClock
from cloud.wiring import Cloud
from device_profiles.capabilities import CAPABILITIES
from device_profiles.messages.facts import status_fact
from tests.builders.clouds import HALL, MORNING, open_cloud, tell

_keys = count(1)


class Door:
    """The HTTP interface of a cloud in which no job runs."""

    def __init__(self, cloud: Cloud, http: httpx.AsyncClient) -> None:
        self.cloud, self.http = cloud, http

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(f"/api/v1{path}", params=query)
        assert answer.is_success, answer.text
        return answer.json()

    async def post(self, path: str, body: dict[str, Any] | None = None, key: str = "", status: int = 200) -> Any:
        headers = {"Idempotency-Key": key or f"key-{next(_keys)}"}
        answer = await self.http.post(f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_cloud(f"sqlite:///{tmp_path}/cloud.db", tmp_path / "cloud", SetClock(MORNING)) as cloud:
        transport = httpx.ASGITransport(create_app(cloud), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Door(cloud, http)


async def issue(door: Door, service: str = "household", key: str = "") -> Any:
    return await door.post(f"/halls/{HALL}/tickets", {"service": service}, key, 201)


async def test_a_visit_over_http(door: Door) -> None:
    ticket = await issue(door)
    position = await door.get(f"/public/tickets/{ticket['token']}")
    assert (position["state"], position["position"], position["counter"]) == ("waiting", 1, None)
    await door.post("/counters/c1/open", {"clerk": "w1"})
    called = await door.post("/counters/c1/call-next")
    assert (called["ticket"]["number"], called["ticket"]["state"]) == (ticket["number"], "called")
    await door.post("/counters/c1/recall")
    await door.post("/counters/c1/start")
    queue = await door.get(f"/halls/{HALL}/queue")
    assert queue["counters"][0]["ticket"]["state"] == "serving"
    done = await door.post("/counters/c1/finish")
    assert done["ticket"]["state"] == "done"
    household = (await door.get(f"/halls/{HALL}/queue"))["services"][0]
    assert (household["waiting"], household["served"]) == (0, 1)
    assert (await door.get(f"/tickets/{ticket['id']}"))["calls"] == 2
    for step in ("pause", "open", "close"):
        assert (await door.post(f"/counters/c1/{step}"))["id"] == "c1"


async def test_the_position_shows_nothing_of_the_person(door: Door) -> None:
    ticket = await issue(door)
    shown = await door.get(f"/public/tickets/{ticket['token']}")
    assert not {"id", "token", "subject", "machine"} & set(shown)
    assert "token" not in await door.get(f"/tickets/{ticket['id']}")


async def test_the_same_key_does_it_once_and_answers_the_same(door: Door) -> None:
    one, two = await issue(door, key="k-1"), await issue(door, key="k-1")
    assert one == two
    other = await door.post(f"/halls/{HALL}/tickets", {"service": "exit-entry"}, "k-1", 409)
    assert "take a new key" in other["detail"]
    await issue(door)
    first = await door.post("/counters/c1/call-next", key="k-2")
    assert await door.post("/counters/c1/call-next", key="k-2") == first


async def test_a_refusal_is_not_kept_under_its_key(door: Door) -> None:
    refused = await door.post("/counters/c1/call-next", key="k-1", status=409)
    assert "nobody waits for household" in refused["detail"]
    await issue(door)
    await door.post("/counters/c1/call-next", key="k-1")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/halls/{HALL}/tickets", {"service": "no-such"}, 404),
        ("/halls/no-such/tickets", {"service": "household"}, 404),
        (f"/halls/{HALL}/tickets", {"service": "household", "more": 1}, 422),
        ("/tickets/no-such/cancel", None, 404),
        ("/counters/c99/open", None, 404),
        ("/counters/c1/open", {"clerk": "nobody"}, 404),
        ("/counters/c1/recall", {"ticket_id": "no-such"}, 409),
        ("/cases", {"machine": "kiosk-1", "item": "id-card-renewal"}, 404),
        ("/cases/no-such/signal", {"signal": "confirmed"}, 404),
        ("/alerts/no-such/shelve", {"minutes": 0}, 422),
        ("/dispatch/no-such/accept", None, 404),
    ],
)
async def test_what_cannot_be_done_is_refused_with_a_problem(
    door: Door, path: str, body: dict[str, Any] | None, status: int
) -> None:
    problem = await door.post(path, body, status=status)
    assert problem["status"] == status


async def test_a_case_over_http(door: Door) -> None:
    begun = await door.post("/cases", {"machine": "endorse-1", "item": "hk-macao-endorsement"}, status=201)
    case = await door.get(f"/cases/{begun['id']}")
    assert (case["state"], case["ended"], case["balance"]["card"]) == ("insert_permit", False, "unknown")
    assert [effect["outcome"] for effect in case["effects"]] == ["", ""]
    refused = await door.post(f"/cases/{begun['id']}/signal", {"signal": "confirmed"}, status=409)
    assert "no task is open" in refused["detail"]
    cancelled = await door.post(f"/cases/{begun['id']}/cancel")
    assert cancelled["cancelled"]
    found = await door.get("/cases", resume_code=begun["resume_code"], open=True)
    assert [one["id"] for one in found["items"]] == [begun["id"]]


async def test_cases_and_alerts_come_in_pages(door: Door) -> None:
    change = status_fact(CAPABILITIES["printer"], "paper", "out", "full")
    for machine in ("ticket-1", "ticket-2", "kiosk-1"):
        await tell(door.cloud, machine, change[0], change[1].model_dump(exclude_none=True), "printer")
    first = await door.get("/alerts", limit=2, active=True)
    second = await door.get("/alerts", limit=2, active=True, cursor=first["next"])
    assert sorted(one["machine"] for one in first["items"] + second["items"]) == ["kiosk-1", "ticket-1", "ticket-2"]
    assert second["next"] is None
    answer = await door.http.get("/api/v1/alerts", params={"cursor": "nonsense"})
    assert answer.status_code == 422


async def test_an_alert_over_http(door: Door) -> None:
    change = status_fact(CAPABILITIES["printer"], "paper", "out", "full")
    await tell(door.cloud, "ticket-1", change[0], change[1].model_dump(exclude_none=True), "printer")
    (alert,) = (await door.get("/alerts", machine="ticket-1", state="open"))["items"]
    assert (alert["code"], alert["who"], alert["advice_en"]) == (
        "paper_out", "hall_staff", "The paper is used up: put in a new roll and close the cover.",
    )  # fmt: skip
    assert (await door.post(f"/alerts/{alert['id']}/acknowledge"))["state"] == "acknowledged"
    assert (await door.post(f"/alerts/{alert['id']}/shelve", {"minutes": 5}))["shelved_until"]


async def test_a_proposal_over_http(door: Door) -> None:
    for counter in ("c1", "c3"):
        await door.post(f"/counters/{counter}/open")
    for _ in range(12):
        await issue(door, "exit-entry")
    await door.post("/counters/c3/call-next")
    await door.cloud.db.write(door.cloud.dispatch.look_everywhere)
    (proposal,) = (await door.get(f"/halls/{HALL}/dispatch"))["items"]
    assert (proposal["state"], proposal["to_service"], proposal["figures"]["waiting"]) == ("open", "exit-entry", 11)
    accepted = await door.post(f"/dispatch/{proposal['id']}/accept", key="k")
    assert accepted == await door.post(f"/dispatch/{proposal['id']}/accept", key="k")
    called = await door.post("/counters/c1/call-next")
    assert called["ticket"]["service"] == "exit-entry"
