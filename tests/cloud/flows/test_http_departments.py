"""The adapter against the sandbox departments: what every answer, and none, means to a case."""

from collections.abc import Callable
from datetime import date

import httpx
import pytest

from cloud.flows.adapters import open_departments
from cloud.flows.adapters.http_departments import HttpDepartments
from cloud.flows.model import Answer
from simulators.departments import departments_app
from simulators.people import People

URL = "http://departments"
PEOPLE = People(seed=1)
PERSON = PEOPLE.person("p001")
DAY = date(2026, 3, 2)


class BadLine(httpx.AsyncBaseTransport):
    """Passes requests on, and loses the answers that ``loses`` names."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.loses: Callable[[httpx.Request], bool] = lambda request: False
        self.requests: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append((request.method, request.url.path))
        answer = await self.inner.handle_async_request(request)
        if self.loses(request):
            raise httpx.ReadTimeout("lost", request=request)
        return answer


@pytest.fixture
def line() -> BadLine:
    return BadLine(httpx.ASGITransport(departments_app(":memory:", today=lambda: DAY)))


@pytest.fixture
def departments(line: BadLine) -> HttpDepartments:
    return HttpDepartments(URL, line)


def payment(key: str = "case:pay:1", code: str | None = None) -> dict[str, str | int]:
    return {"key": key, "amount_fen": 1500, "code": code or PEOPLE.payment_code("p001")}


async def test_a_payment_is_taken_once_per_key(departments: HttpDepartments) -> None:
    asked = payment()
    assert await departments.call("payment.authorise", asked, 0) == Answer("succeeded")
    assert await departments.call("payment.authorise", asked, 0) == Answer("succeeded")


async def test_a_used_code_is_declined(departments: HttpDepartments) -> None:
    asked = payment()
    await departments.call("payment.authorise", asked, 0)
    assert await departments.call("payment.authorise", {**asked, "key": "other:pay:1"}, 0) == Answer("declined")


async def test_after_a_lost_answer_the_gateway_is_asked_what_came_of_the_key(
    departments: HttpDepartments, line: BadLine
) -> None:
    asked = payment()
    line.loses = lambda request: request.method == "POST"
    assert await departments.call("payment.authorise", asked, 0) == Answer("again")
    assert await departments.call("payment.authorise", asked, 1) == Answer("succeeded")
    assert line.requests == [("POST", "/payments"), ("GET", "/payments/case:pay:1")]


async def test_a_payment_that_never_arrived_is_asked_for_again(departments: HttpDepartments, line: BadLine) -> None:
    assert await departments.call("payment.authorise", payment(), 1) == Answer("succeeded")
    assert line.requests == [("GET", "/payments/case:pay:1"), ("POST", "/payments")]


@pytest.mark.parametrize("status", [400, 401, 403, 409, 429, 500, 503])
async def test_a_gateway_that_does_not_tell_the_order_s_state_is_not_asked_to_pay_again(status: int) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(status)

    departments = HttpDepartments(URL, httpx.MockTransport(answer))
    assert await departments.call("payment.authorise", payment(), 1) == Answer("again")
    assert asked == ["GET"]


@pytest.mark.parametrize(("paid", "state"), [(True, "reversed"), (False, "nothing_taken")])
async def test_reversing_says_whether_anything_was_taken(departments: HttpDepartments, paid: bool, state: str) -> None:
    if paid:
        await departments.call("payment.authorise", payment(), 0)
    answer = await departments.call("payment.reverse", {"payment_key": "case:pay:1"}, 0)
    assert answer == Answer("succeeded", {"state": state})
    assert await departments.call("payment.reverse", {"payment_key": "case:pay:1"}, 0) == answer


async def test_an_endorsement_is_granted_to_an_eligible_permit(departments: HttpDepartments) -> None:
    document: dict[str, str | int] = {"document_number": PERSON.permit_number}
    assert (await departments.call("exit_entry.eligibility", document, 0)).outcome == "succeeded"
    granted = await departments.call("exit_entry.endorsement", {**document, "key": "c:r:1", "kind": "hk-single"}, 0)
    assert granted == Answer("succeeded", {"endorsement_number": "E20260000001", "valid_until": "2027-03-02"})


async def test_a_renewal_is_registered_once(departments: HttpDepartments) -> None:
    number: dict[str, str | int] = {"id_number": PERSON.id_number}
    assert (await departments.call("population.check", number, 0)).outcome == "succeeded"
    asked = {**number, "key": "c:r:1", "reason": "expired", "delivery": "collect"}
    answer = await departments.call("population.renewal", asked, 0)
    assert answer.output["collect_from"] == "2026-03-22"
    assert await departments.call("population.renewal", asked, 3) == answer


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("exit_entry.eligibility", {"document_number": "X1"}),
        ("exit_entry.endorsement", {"document_number": "X1", "key": "c:r:1", "kind": "hk-single"}),
        ("population.check", {"id_number": "1"}),
        ("population.renewal", {"id_number": "1", "key": "c:r:1", "reason": "expired", "delivery": "collect"}),
    ],
)
async def test_what_a_department_refuses_is_declined(
    departments: HttpDepartments, operation: str, body: dict[str, str | int]
) -> None:
    assert (await departments.call(operation, body, 0)).outcome == "declined"


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_department_that_cannot_answer_is_asked_again(status: int) -> None:
    departments = HttpDepartments(URL, httpx.MockTransport(lambda request: httpx.Response(status)))
    assert await departments.call("payment.reverse", {"payment_key": "k"}, 0) == Answer("again")


@pytest.mark.parametrize("said", [b"not json", b"[1]", b"{}"])
async def test_an_answer_that_says_nothing_is_no_answer(said: bytes) -> None:
    departments = HttpDepartments(URL, httpx.MockTransport(lambda request: httpx.Response(200, content=said)))
    body: dict[str, str | int] = {"document_number": "C1", "key": "c:r:1", "kind": "hk-single"}
    assert await departments.call("exit_entry.endorsement", body, 0) == Answer("again")


async def test_without_departments_nobody_answers() -> None:
    assert await open_departments("").call("population.check", {"id_number": "1"}, 0) == Answer("again")
