"""Garbage at the machine's own screen: a clear problem each time, and the next citizen is served."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge_agent.screen.routes import LARGEST_BODY
from tests.edge_agent.test_screen import Screen, screen_of

WRITES = ("/api/tickets", "/api/sessions", "/api/answer")
DEEP = 10_000


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[Screen]:
    """A screen that still serves when the garbage is over."""
    async with screen_of(tmp_path) as found:
        yield found
        taken = await found.take("visit-after-all")
        assert (taken.status_code, taken.json()["number"][0]) == (201, "A")
        assert len([row for row in found.outbox.rows if row.type == "ticket.issued"]) == 1


def problem(answer: httpx.Response, status: int, said: str = "") -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "code"} <= body.keys()
    assert body["status"] == status
    assert said in json.dumps(body)


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [
        (b"", 422, "body: "),
        (b"hello", 422, "Invalid JSON"),
        (b"\xff\xfe", 422, "Invalid JSON"),
        (b"[1, 2]", 422, "body: "),
        (b"null", 422, "body: "),
        (b'{"service": "\\ud800", "visit": "visit-0001"}', 422, "Invalid JSON"),
        (b"[" * (LARGEST_BODY // 2) + b"]" * (LARGEST_BODY // 2), 422, "recursion limit"),
        (b'{"service": 1e999, "item": NaN, "option": [], "visit": {}}', 422, "Input should be"),
        (b"[" * DEEP + b"]" * DEEP, 413, f"at most {LARGEST_BODY} bytes"),
        (b"x" * 1_000_000, 413, f"at most {LARGEST_BODY} bytes"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
async def test_bytes_that_are_no_wish(screen: Screen, content: bytes, status: int, said: str) -> None:
    for path in WRITES:
        answer = await screen.pages.post(path, content=content, headers={"Content-Type": "application/json"})
        problem(answer, status, said if status == 413 or path == WRITES[0] else "")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "/"])
async def test_another_content_type(screen: Screen, kind: str) -> None:
    for path in WRITES:
        problem(await screen.pages.post(path, content=b"{}", headers={"Content-Type": kind}), 415, "application/json")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"service": "household\0"}, 404),
        ({"service": "../../etc"}, 404),
        ({"service": ""}, 422),
        ({"visit": "visit\0-0001"}, 422),
        ({"visit": "visit 0001"}, 422),
        ({"visit": "访问访问访问访问"}, 422),
        ({"visit": "v" * 65}, 422),
        ({"with_card": "perhaps"}, 422),
        ({"with_card": None}, 422),
        ({"number": "A001"}, 422),
    ],
    ids=str,
)
async def test_a_wish_for_something_odd_takes_no_number(screen: Screen, changes: dict[str, Any], status: int) -> None:
    problem(await screen.take(**changes), status)


async def test_a_journey_or_an_answer_that_is_not_offered(screen: Screen) -> None:
    problem(await screen.pages.post("/api/sessions", json={"item": "elsewhere"}), 404)
    problem(await screen.pages.post("/api/sessions", json={"item": "x" * 61}), 422)
    problem(await screen.pages.post("/api/answer", json={"option": "hk"}), 409)


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "TRACE", "OPTIONS", "NONSENSE"])
async def test_another_method_is_answered_with_the_known_ones(screen: Screen, method: str) -> None:
    for path in (*WRITES, "/api/state", "/", "/static/screen.js"):
        answer = await screen.pages.request(method, path)
        problem(answer, 405)
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    "path", ["/nothing", "/api", "/static/../routes.py", "/static/%00", "/api/state/%ff", "/" + "a" * 9000]
)
async def test_another_address_is_not_found(screen: Screen, path: str) -> None:
    problem(await screen.pages.get(path), 404)
