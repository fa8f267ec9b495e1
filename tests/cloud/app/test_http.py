"""The interface as a whole: errors, who may come in, health, metrics, its own description."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from openapi_spec_validator import validate

from cloud.access.model import Role
from cloud.app import openapi_document
from cloud.app.http import create_app
from cloud.app.problems import MEDIA_TYPE
from cloud.core.callers import Permission
from cloud.core.clock import to_ms
from cloud.core.errors import HallfleetError
from cloud.telemetry.port import Sample
from tests.builders.facts import AT
from tests.builders.people import add_token, browser_of, program
from tests.cloud.house import House, open_house

PERSONAL = "000000199001011234"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "cloud", connect=False) as opened:
        yield opened


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path / "cloud", connect=False, demo=False) as opened:
        yield opened


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/machines/nobody", 404, "not_found"),
        ("DELETE", "/api/v1/halls", 405, "method_not_allowed"),
        ("GET", "/api/v1/machines?limit=0", 422, "invalid"),
        ("POST", "/api/v1/machines/kiosk-1/commands", 422, "invalid"),
        ("GET", "/api/v1/machines/kiosk-1/telemetry?metric=UPPER", 422, "invalid"),
        ("GET", "/api/v1/machines/kiosk-1/telemetry?metric=a&every=1&from=2020-01-01T00:00:00Z", 422, "invalid"),
        ("GET", "/readyz", 503, "unavailable"),
    ],
)
async def test_every_error_is_a_problem_document(house: House, method: str, path: str, status: int, code: str) -> None:
    answer = await house.http.request(method, path)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert {"type", "title", "detail"} <= problem.keys()


async def test_a_problem_never_shows_what_was_sent(house: House) -> None:
    answer = await house.http.post(
        "/api/v1/machines/kiosk-1/commands", json={"slot": [PERSONAL], "name": 1}, headers={"Idempotency-Key": "k"}
    )
    assert answer.status_code == 422
    assert PERSONAL not in answer.text
    assert [problem["where"] for problem in answer.json()["problems"]] == ["body.slot", "body.name"]


async def test_an_unexpected_error_says_nothing_of_the_inside(house: House) -> None:
    app = create_app(house.cloud)

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError(PERSONAL)

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.get("/broken")
    assert (answer.status_code, answer.json()["code"], PERSONAL in answer.text) == (500, "internal_error", False)


@pytest.mark.parametrize("path", ["/api/v1/halls", "/api/v1/machines/kiosk-1", "/api/v1/quarantine", "/metrics"])
async def test_only_who_is_known_comes_in(guarded: House, path: str) -> None:
    refused = await guarded.http.get(path)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    for wrong in ("Bearer wrong", "Bearer", "Basic YTpi", "wrong"):
        assert (await guarded.http.get(path, headers={"Authorization": wrong})).status_code == 401
    known = await browser_of(guarded.cloud, "chief", Role.ADMINISTRATOR)
    assert (await guarded.http.get(path, headers=known)).status_code == 200
    _, token = await add_token(guarded.cloud, "chief", list(Permission))
    assert (await guarded.http.get(path, headers=program(token))).status_code == 200
    # What is wrong with a token is not made good by a cookie.
    assert (await guarded.http.get(path, headers={**known, **program("wrong")})).status_code == 401


async def test_health_needs_no_log_in(guarded: House) -> None:
    assert (await guarded.http.get("/healthz")).json() == {"status": "ok"}
    assert (await guarded.http.get("/readyz")).status_code == 503


async def test_answers_carry_the_headers_that_keep_browsers_safe(house: House) -> None:
    headers = (await house.http.get("/healthz")).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")


async def test_metrics_are_in_the_format_of_prometheus(house: House) -> None:
    answer = await house.http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for name in (
        "hallfleet_ingest_events_total 0",
        "hallfleet_ingest_quarantined_total 0",
        'hallfleet_open_commands{state="pending"} 0',
        'hallfleet_commit_seconds_bucket{le="+Inf"} 1',
    ):
        assert any(line.startswith(name.rsplit(" ", 1)[0]) for line in lines), name
    assert lines.count("# TYPE hallfleet_commit_seconds histogram") == 1


async def test_telemetry_is_read_in_buckets(house: House) -> None:
    tags = (("device", "kiosk-1"), ("hall", "demo-hall"), ("slot", "printer"))
    await house.cloud.telemetry.write(
        [Sample("machine", tags, "rtt_ms", to_ms(AT) + at, at) for at in (0, 1000, 60_000)]
    )
    window = {"from": "2026-05-04T01:00:00Z", "to": "2026-05-04T01:05:00Z", "every": 60}
    answer = await house.get("/machines/kiosk-1/telemetry", metric="rtt_ms", **window)  # type: ignore[arg-type]
    (series,) = answer.json()["series"]
    assert (series["metric"], series["slot"]) == ("rtt_ms", "printer")
    assert [(point["at"], point["value"]) for point in series["points"]] == [
        ("2026-05-04T01:00:00Z", 500.0), ("2026-05-04T01:01:00Z", 60000.0),
    ]  # fmt: skip


def test_the_description_is_valid_and_names_the_form_of_errors() -> None:
    document = openapi_document()
    validate(document)
    assert "/api/v1/machines/{machine}/commands" in document["paths"]
    answers = document["paths"]["/api/v1/halls/{hall}"]["get"]["responses"]
    assert set(answers) == {"200", "400", "401", "403", "404", "422", "503"}
    assert MEDIA_TYPE in answers["404"]["content"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_error_has_a_status_of_its_kind_and_a_code() -> None:
    kinds = HallfleetError.__subclasses__()
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(400 <= kind.status < 600 and kind.title for kind in kinds)
