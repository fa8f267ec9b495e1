"""Sandbox back offices over HTTP: payment gateway, population register, exit-entry administration.

They behave like partners on a bad day too: ``POST /faults`` makes a path answer late, with an error, or not at all.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from simulators.back_office import Answer, BackOffice, KeyReused, digest, tail
from simulators.people import IMPOSSIBLE_REGION, check_character

LIMIT_FEN = 100_000
VISITS_A_YEAR = 12
SLOW_S, SILENT_S = 2.0, 120.0
WALLETS = {  # the gateway's own reading of the wallets' rules, not that of whoever scans
    "wechat": re.compile(r"1[0-5]\d{16}", re.ASCII),
    "alipay": re.compile(r"(25|26|27|28|29|30)\d{14,22}", re.ASCII),
    "unionpay": re.compile(r"62\d{17}", re.ASCII),
}
Today = Callable[[], date]


class _Ask(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PaymentAsked(_Ask):
    """Take that much from the owner of the code shown; ``key`` makes it happen once."""

    key: str = Field(min_length=1, max_length=100)
    amount_fen: int = Field(gt=0, le=10_000_000)
    code: str = Field(min_length=1, max_length=64)


class PersonAsked(_Ask):
    """An ID number to look up."""

    id_number: str = Field(max_length=32)


class RenewalAsked(_Ask):
    """A new ID card for this person."""

    key: str = Field(min_length=1, max_length=100)
    id_number: str = Field(max_length=32)
    reason: str = Field(min_length=1, max_length=40)
    delivery: str = Field(min_length=1, max_length=40)


class DocumentAsked(_Ask):
    """A travel permit to look up."""

    document_number: str = Field(max_length=32)


class EndorsementAsked(DocumentAsked):
    """A new endorsement for this permit."""

    key: str = Field(min_length=1, max_length=100)
    kind: str = Field(min_length=1, max_length=40)


class FaultAsked(_Ask):
    """Spoil the next ``count`` requests to ``path``: timeout = done but never answered, error = 503 and not done."""

    path: str = Field(pattern=r"^/")
    mode: Literal["timeout", "error", "slow"]
    count: int = Field(default=1, ge=1, le=1000)


class Troubles:
    """The faults that are switched on, and the usual latency."""

    def __init__(self, latency_s: float, silent_s: float) -> None:
        self._latency_s, self._silent_s = latency_s, silent_s
        self._planned: dict[str, FaultAsked] = {}

    def plan(self, fault: FaultAsked) -> None:
        """Replace what was planned for that path."""
        self._planned[fault.path] = fault

    async def around(self, request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        """Let a request through, with what is planned for it."""
        mode = self._take(request.url.path)
        if mode == "error":
            return JSONResponse({"detail": "the department is closed"}, status_code=503)
        response = await go_on(request)
        await asyncio.sleep({"timeout": self._silent_s, "slow": SLOW_S}.get(mode, self._latency_s))
        return response

    def _take(self, path: str) -> str:
        prefix = next((known for known in self._planned if path == known or path.startswith(known + "/")), None)
        if prefix is None:
            return ""
        fault = self._planned.pop(prefix)
        if fault.count > 1:
            self._planned[prefix] = fault.model_copy(update={"count": fault.count - 1})
        return fault.mode


def departments_app(
    data: Path | str,
    latency_s: float = 0.0,
    silent_s: float = SILENT_S,
    today: Today = lambda: datetime.now(UTC).date(),
) -> FastAPI:
    """The three departments over one file (``:memory:`` for none). ``today`` is the date they work by."""
    office = BackOffice(data)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        office.close()

    app = FastAPI(title="hallfleet sandbox departments", docs_url=None, redoc_url=None, lifespan=lifespan)
    troubles = Troubles(latency_s, silent_s)
    app.middleware("http")(troubles.around)
    app.add_exception_handler(KeyReused, _key_reused)
    _payment_routes(app, office)
    _population_routes(app, office, today)
    _exit_entry_routes(app, office, today)

    @app.post("/faults")
    async def plan_fault(asked: FaultAsked) -> FaultAsked:
        troubles.plan(asked)
        return asked

    @app.get("/ledger")
    async def ledger() -> dict[str, list[Answer]]:
        return {kind + "s": office.all(kind) for kind in ("payment", "renewal", "endorsement")}

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    return app


def _payment_routes(app: FastAPI, office: BackOffice) -> None:
    @app.post("/payments")
    async def pay(asked: PaymentAsked) -> Answer:
        def decide(_number: int) -> Answer:
            reason = _why_declined(asked, office)
            state = "declined" if reason else "authorised"
            shown = {"key": asked.key, "amount_fen": asked.amount_fen, "code": tail(asked.code)}
            shown["wallet"] = wallet_of(asked.code)
            return {**shown, "state": state, "reason": reason}

        content = {"amount_fen": asked.amount_fen, "code": digest(asked.code)}
        answer = office.once("payment", asked.key, content, decide)
        if answer["reason"] == "reversed_before_payment":
            return {**answer, "state": "declined"}
        return answer

    @app.get("/payments/{key}")
    async def payment(key: str) -> Answer:
        answer = office.find("payment", key)
        if answer is None:
            raise HTTPException(404, f"payment {key!r} is not known here: nothing was taken")
        return answer

    @app.post("/payments/{key}/reverse")
    async def reverse(key: str) -> Answer:
        return office.reverse(key)


def wallet_of(code: str) -> str:
    """``wechat``, ``alipay``, ``unionpay`` or ``unknown``."""
    return next((name for name, rule in WALLETS.items() if rule.fullmatch(code)), "unknown")


def _why_declined(asked: PaymentAsked, office: BackOffice) -> str:
    if wallet_of(asked.code) == "unknown":
        return "not_a_payment_code"
    if not office.spend_code(asked.code, asked.key):
        return "code_used"
    return "over_limit" if asked.amount_fen > LIMIT_FEN else ""


def _population_routes(app: FastAPI, office: BackOffice, today: Today) -> None:
    @app.post("/population/check")
    async def check(asked: PersonAsked) -> Answer:
        reason = _why_unknown(asked.id_number)
        return {"ok": not reason, "reason": reason}

    @app.post("/population/renewals")
    async def renew(asked: RenewalAsked) -> Answer:
        if reason := _why_unknown(asked.id_number):
            raise HTTPException(422, f"id_number: {reason}")

        def decide(number: int) -> Answer:
            ready = today() + timedelta(days=20)
            receipt = {"receipt_number": f"R{today():%Y%m%d}{number:05d}", "collect_from": ready.isoformat()}
            return {"key": asked.key, "id_number": tail(asked.id_number), **receipt}

        content = {"id_number": digest(asked.id_number), "reason": asked.reason, "delivery": asked.delivery}
        return office.once("renewal", asked.key, content, decide)


def _why_unknown(id_number: str) -> str:
    """Only the invented people of the simulators are registered here."""
    if not re.fullmatch(r"\d{17}[\dX]", id_number):
        return "not_an_id_number"
    if check_character(id_number[:17]) != id_number[17]:
        return "wrong_check_character"
    return "" if id_number.startswith(IMPOSSIBLE_REGION) else "unknown_person"


def _exit_entry_routes(app: FastAPI, office: BackOffice, today: Today) -> None:
    def remaining(document_number: str) -> int:
        mine = [one for one in office.all("endorsement") if one["document"] == digest(document_number)]
        return VISITS_A_YEAR - len([one for one in mine if one["year"] == today().year])

    @app.post("/exit-entry/eligibility")
    async def eligibility(asked: DocumentAsked) -> Answer:
        left = remaining(asked.document_number) if _is_permit(asked.document_number) else 0
        return {"eligible": left > 0, "remaining_visits": left}

    @app.post("/exit-entry/endorsements")
    async def endorse(asked: EndorsementAsked) -> Answer:
        def decide(number: int) -> Answer:
            if not _is_permit(asked.document_number) or remaining(asked.document_number) <= 0:
                raise HTTPException(409, "document_number: expected an eligible permit")
            until = today() + timedelta(days=365)
            granted = {"endorsement_number": f"E{today():%Y}{number:07d}", "valid_until": until.isoformat()}
            internal = {"document": digest(asked.document_number), "year": today().year}
            return {"key": asked.key, "kind": asked.kind, **granted, **internal}

        content = {"document": digest(asked.document_number), "kind": asked.kind}
        return office.once("endorsement", asked.key, content, decide)


def _is_permit(document_number: str) -> bool:
    return re.fullmatch(r"C\d{8}", document_number) is not None


async def _key_reused(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=409)
