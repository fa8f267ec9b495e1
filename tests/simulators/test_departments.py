"""The sandbox departments: once per key, codes once, memory that survives, and bad days on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.hall import payment_codes
from simulators.departments import departments_app, wallet_of
from simulators.people import People

PERSON = next(iter(People(1)))
CODE = "281234567890123456"
PAY = {"key": "case-1:pay:1", "amount_fen": 1500, "code": CODE}
RENEW = {"key": "case-2:register:1", "id_number": PERSON.id_number, "reason": "expired", "delivery": "collect"}
ENDORSE = {"key": "case-3:register:1", "document_number": PERSON.permit_number, "kind": "one_visit"}


@asynccontextmanager
async def office(file: Path | str = ":memory:") -> AsyncIterator[httpx.AsyncClient]:
    app = departments_app(file, silent_s=0.1, today=lambda: date(2026, 11, 22))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://office") as client,
    ):
        yield client


async def _post(client: httpx.AsyncClient, path: str, body: object = None) -> Any:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/payments", PAY, "payments"),
        ("/population/renewals", RENEW, "renewals"),
        ("/exit-entry/endorsements", ENDORSE, "endorsements"),
    ],
)
async def test_the_same_key_is_done_once_and_answered_alike(
    path: str, body: dict[str, Any], kind: str, tmp_path: Path
) -> None:
    async with office(tmp_path / "office.db") as client:
        answers = await asyncio.gather(*(_post(client, path, body) for _ in range(5)))
        assert all(answer == answers[0] for answer in answers)
    async with office(tmp_path / "office.db") as client:
        assert await _post(client, path, body) == answers[0]
        assert len((await client.get("/ledger")).json()[kind]) == 1


async def test_key_with_other_content_is_refused() -> None:
    async with office() as client:
        await _post(client, "/payments", PAY)
        response = await client.post("/payments", json={**PAY, "amount_fen": 1})
        assert response.status_code == 409
        assert "new key" in response.json()["detail"]


async def test_payment_code_pays_once() -> None:
    async with office() as client:
        assert (await _post(client, "/payments", PAY))["state"] == "authorised"
        again = await _post(client, "/payments", {**PAY, "key": "case-1:pay:2"})
        assert (again["state"], again["reason"]) == ("declined", "code_used")


@pytest.mark.parametrize(
    ("change", "reason"), [({"code": "hello"}, "not_a_payment_code"), ({"amount_fen": 100_001}, "over_limit")]
)
async def test_declined_payments_say_why(change: dict[str, Any], reason: str) -> None:
    async with office() as client:
        answer = await _post(client, "/payments", {**PAY, **change})
        assert (answer["state"], answer["reason"]) == ("declined", reason)


@pytest.mark.parametrize(
    ("code", "wallet"),
    [
        (CODE, "alipay"),
        ("134567890123456789", "wechat"),
        ("6234567890123456789", "unionpay"),
        ("hello", "unknown"),
    ],
)
async def test_the_gateway_names_the_wallet_and_keeps_only_the_end_of_the_code(code: str, wallet: str) -> None:
    async with office() as client:
        answer = await _post(client, "/payments", {**PAY, "code": code})
        assert (answer["wallet"], answer["code"]) == (wallet, "****" + code[-4:])
        stored = (await client.get("/payments/case-1:pay:1")).json()
        assert stored["wallet"] == wallet
        assert (stored["state"] == "authorised") == (wallet != "unknown")


@given(st.text("0123456789", min_size=10, max_size=26) | st.text(max_size=30))
def test_the_gateway_and_the_hall_read_the_wallets_rules_alike(code: str) -> None:
    assert wallet_of(code) == payment_codes.wallet_of(code)


async def test_reversal_can_be_repeated_and_can_come_first() -> None:
    async with office() as client:
        await _post(client, "/payments", PAY)
        for _ in range(2):
            assert (await _post(client, "/payments/case-1:pay:1/reverse"))["state"] == "reversed"
        assert (await client.get("/payments/case-1:pay:1")).json()["state"] == "reversed"
        assert (await _post(client, "/payments/late/reverse"))["state"] == "reversed"
        late = await _post(client, "/payments", {**PAY, "key": "late", "code": "289999999999999999"})
        assert late["state"] == "declined"


async def test_unknown_payment_is_unknown() -> None:
    async with office() as client:
        assert (await client.get("/payments/nobody")).status_code == 404


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (PERSON.id_number, ""),
        (PERSON.id_number[:17] + ("0" if PERSON.id_number[17] != "0" else "1"), "wrong_check_character"),
        ("11010519491231002X", "unknown_person"),
        ("123", "not_an_id_number"),
    ],
)
async def test_population_register_knows_the_invented_people(number: str, reason: str) -> None:
    async with office() as client:
        answer = await _post(client, "/population/check", {"id_number": number})
        assert answer == {"ok": not reason, "reason": reason}


async def test_renewal_gives_a_receipt_and_a_date() -> None:
    async with office() as client:
        answer = await _post(client, "/population/renewals", RENEW)
        assert answer["receipt_number"] == "R2026112200001"
        assert answer["collect_from"] == "2026-12-12"


async def test_endorsements_use_up_the_visits_of_a_year() -> None:
    async with office() as client:
        asked = {"document_number": PERSON.permit_number}
        assert await _post(client, "/exit-entry/eligibility", asked) == {"eligible": True, "remaining_visits": 12}
        for number in range(12):
            await _post(client, "/exit-entry/endorsements", {**ENDORSE, "key": f"k{number}"})
        assert await _post(client, "/exit-entry/eligibility", asked) == {"eligible": False, "remaining_visits": 0}
        assert (await client.post("/exit-entry/endorsements", json={**ENDORSE, "key": "k13"})).status_code == 409
        assert await _post(client, "/exit-entry/endorsements", {**ENDORSE, "key": "k3"})  # known keys still answer


async def test_ledger_shows_neither_codes_nor_people() -> None:
    async with office() as client:
        await _post(client, "/payments", PAY)
        await _post(client, "/population/renewals", RENEW)
        await _post(client, "/exit-entry/endorsements", ENDORSE)
        text = (await client.get("/ledger")).text
        assert not any(secret in text for secret in (CODE, PERSON.id_number, PERSON.permit_number))


async def test_error_does_nothing_and_a_timeout_has_done_it() -> None:
    async with office() as client:
        await _post(client, "/faults", {"path": "/payments", "mode": "error"})
        assert (await client.post("/payments", json=PAY)).status_code == 503
        assert (await client.get("/ledger")).json()["payments"] == []
        await _post(client, "/faults", {"path": "/payments", "mode": "timeout"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await client.post("/payments", json=PAY)
        assert len((await client.get("/ledger")).json()["payments"]) == 1
        assert (await _post(client, "/payments", PAY))["state"] == "authorised"


@pytest.mark.parametrize(
    "body", [{}, {"key": ""}, {**PAY, "amount_fen": 0}, {**PAY, "tip": 1}, {**PAY, "amount_fen": "many"}]
)
async def test_nonsense_is_refused(body: dict[str, Any]) -> None:
    async with office() as client:
        assert (await client.post("/payments", json=body)).status_code == 422
