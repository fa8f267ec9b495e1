"""Every role x every route x (own hall, other hall, no log-in): what is expected of the gate, and what it does.

The expectation is written here a second time, in letters, so that a slip in one of the two tables is seen.
"""

import re
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from cloud.access.model import Role
from cloud.access.states import ROLES
from cloud.app.gate import routes_of
from cloud.app.http import create_app
from cloud.app.rules import API_PREFIX, RULES, Of, Rule
from cloud.core.callers import Permission
from tests.builders.clouds import HALL
from tests.builders.people import browser_of
from tests.builders.two_halls import OTHER, TwoHalls, open_two_halls

# m manager, s counter staff, c crew, a auditor, i integrator, A administrator
MAY = {
    "hall.see": "ms.aiA",
    "machines.see": "m.caiA",
    "machines.command": "..c.iA",
    "machines.configure": "....iA",
    "machines.enrol": "....iA",
    "faults.see": "mscaiA",
    "faults.act": "m.c..A",
    "counters.serve": "ms...A",
    "dispatch.decide": "m....A",
    "cases.see": "ms.a.A",
    "cases.act": "ms...A",
    "record.see": "...a.A",
    "audit.see": "...a.A",
    "metrics.see": "....iA",
    "administer": ".....A",
}
ALIKE = {Of.EVERYBODY, Of.KNOWN}
# In the way of the next request of the matrix: it would end the session that asks, or begin another one.
SELF = {"POST /logout"}
_keys = count(1)


@pytest.fixture(scope="module")
def expected() -> dict[Role, set[Permission]]:
    letters = dict(zip("mscaiA", Role, strict=True))
    return {role: {Permission(name) for name, who in MAY.items() if letter in who} for letter, role in letters.items()}


@pytest.fixture
async def halls(tmp_path: Path) -> AsyncIterator[TwoHalls]:
    async with open_two_halls(tmp_path, public_requests_per_s=100_000) as opened:
        yield opened


def test_the_roles_are_those_of_the_table(expected: dict[Role, set[Permission]]) -> None:
    assert set(MAY) == set(Permission)
    assert {role: set(may) for role, may in ROLES.items()} == expected


async def test_every_route_has_a_rule_and_every_rule_a_route(halls: TwoHalls) -> None:
    names = {f"{method} {path}" for method, path, _ in routes_of(create_app(halls.cloud))}
    assert not names - RULES.keys(), "routes without a line in cloud/app/rules.py"
    assert not RULES.keys() - names, "lines in cloud/app/rules.py without a route"


async def test_what_is_public_is_no_more_than_this(halls: TwoHalls) -> None:
    public = {name for name, rule in RULES.items() if rule.of is Of.EVERYBODY}
    assert public == {
        "GET /healthz", "GET /readyz", "GET /docs", "GET /openapi.json", "GET /static/{name:path}",
        "GET /login", "POST /login", "GET /login/openid", "GET /login/openid/back",
        "GET /t/{token}", "GET /t/{token}/part", "GET /t/{token}/stream", "GET /api/v1/public/tickets/{token}",
        "POST /api/v1/enrolments", "POST /api/v1/enrolments/renewals", "GET /api/v1/enrolments/revocations",
    }  # fmt: skip


async def ask(halls: TwoHalls, name: str, hall: str, who: dict[str, str]) -> httpx.Response:
    """Send the request ``name`` about the things of ``hall``."""
    method, path = name.split(" ", 1)
    things = halls.things[hall]
    values = {"part": "queue", "decision": "accept", "name:path": "mark.svg", **things}
    address = re.sub(r"{([a-z_:]+)}", lambda found: values[found[1]], path)
    headers = {**who, "Idempotency-Key": f"matrix-{next(_keys)}"}
    if method == "GET":
        return await halls.http.get(address, headers=headers)
    if not path.startswith(API_PREFIX):
        return await halls.http.post(address, data={"key": headers["Idempotency-Key"]}, headers=headers)
    body = {"machine": things["journeys"], "item": "hk-macao-endorsement"} if path == f"{API_PREFIX}/cases" else {}
    return await halls.http.request(method, address, json=body, headers=headers)


def seen(answer: httpx.Response) -> str:
    """The class of an answer: what the gate said, or ``in`` for whatever the route itself answered."""
    if answer.status_code == 401:
        return "log in"
    if answer.status_code == 403:
        return "no"
    gone = answer.status_code == 404 and "in a hall of yours" in answer.text
    return "not there" if gone else "in"


def wanted(rule: Rule, may: set[Permission], own: bool) -> set[str]:
    if rule.of in ALIKE or rule.permission is None:
        return {"in"}
    if rule.permission not in may or rule.of is Of.FLEET:
        return {"no"}  # one hall's role has nothing of the whole fleet
    return {"in"} if own or rule.of is Of.LISTED else {"not there"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", Role)
async def test_role_by_route_by_hall(halls: TwoHalls, expected: dict[Role, set[Permission]], role: Role) -> None:
    who = await browser_of(halls.cloud, "somebody", role, HALL)
    wrong = []
    for name, rule in RULES.items():
        for hall in () if name in SELF else (OTHER, HALL):  # the forbidden one first: it must leave no trace
            answer = await ask(halls, name, hall, who)
            if name == "GET /" and role is Role.CREW:
                assert answer.headers["location"] == "/crew"
            if seen(answer) not in wanted(rule, expected[role], hall == HALL) and "/login" not in name:
                wrong.append(f"{role} {name} {hall}: {answer.status_code} {answer.text[:200]}")
            if answer.status_code >= 500 and name not in ("GET /readyz",):
                wrong.append(f"{role} {name} {hall}: {answer.status_code}")
    assert not wrong, "\n".join(wrong)


async def test_without_a_log_in(halls: TwoHalls) -> None:
    for name, rule in RULES.items():
        observed = seen(await ask(halls, name, HALL, {}))
        if "/login" not in name:
            assert observed == ("in" if rule.of is Of.EVERYBODY else "log in"), name


async def test_an_administrator_of_all_halls_may_everything(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "chief", Role.ADMINISTRATOR)
    for name in RULES.keys() - SELF:
        for hall in (HALL, OTHER):
            observed = seen(await ask(halls, name, hall, who))
            assert observed == "in" or "/login" in name, f"{name} {hall}"


async def test_somebody_without_any_role_sees_nothing(halls: TwoHalls) -> None:
    who = await browser_of(halls.cloud, "guest", None)
    for name, rule in RULES.items():
        if rule.permission is not None:
            assert seen(await ask(halls, name, HALL, who)) == "no", name


async def test_a_route_that_nobody_declared_is_the_administrators_alone(halls: TwoHalls) -> None:
    app = create_app(halls.cloud)

    @app.get("/forgotten")
    async def forgotten() -> dict[str, bool]:
        return {"in": True}

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        assert (await http.get("/forgotten")).status_code == 401
        for role in Role:
            who = await browser_of(halls.cloud, f"one-{role.replace('_', '-')}", role, HALL)
            assert (await http.get("/forgotten", headers=who)).status_code == 403
        chief = await browser_of(halls.cloud, "chief", Role.ADMINISTRATOR)
        assert (await http.get("/forgotten", headers=chief)).status_code == 200
