"""Cases over HTTP."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from cloud.core.callers import REACH
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Invalid
from cloud.flows.model import Case
from cloud.flows.schemas import CasePage, CaseRecord, CaseSignal, CaseView, NewCase, case_record, case_view
from cloud.flows.service import FlowService
from cloud.flows.store import cases
from cloud.storage.idempotency import IdempotencyKey, once
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database, Tx

CaseId = Annotated[str, Path(max_length=64)]
Filter = Annotated[str, Query(max_length=63)]
CURSOR = re.compile(r"([0-9]{1,15})\.([a-z0-9_]{1,64})")
# The pattern is only described here: our own words are clearer than the framework's.
Cursor = Annotated[str, Query(max_length=90, json_schema_extra={"pattern": f"^({CURSOR.pattern})?$"})]


def router(service: FlowService, db: Database, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["cases"])
    _add_reading(routes, service, db)

    async def act(scope: str, key: str, request: dict[str, Any], work: Callable[[Tx], Case]) -> CaseView:
        def shown(tx: Tx) -> dict[str, Any]:
            stored = cases.get(tx.conn, work(tx).case_id)
            return case_view(stored, service.task_of(stored.case)).model_dump(mode="json")

        now_ms = to_ms(clock.now())
        answer = await db.write(lambda tx: once(tx, scope, key, request, now_ms, lambda: shown(tx)))
        return CaseView.model_validate(answer)

    @routes.post("/cases", status_code=201)
    async def post_case(asked: NewCase, idempotency_key: IdempotencyKey) -> CaseView:
        """Begin a journey at a machine whose screen offers it."""
        return await act(
            "cases", idempotency_key, asked.model_dump(), lambda tx: service.start(tx, asked.machine, asked.item)
        )

    @routes.post("/cases/{case_id}/signal")
    async def signal_case(case_id: CaseId, asked: CaseSignal, idempotency_key: IdempotencyKey) -> CaseView:
        """Settle the open task; 409 when there is none, or it takes other words."""
        return await act(
            f"signal/{case_id}",
            idempotency_key,
            asked.model_dump(),
            lambda tx: service.signal(tx, case_id, asked.signal),
        )

    @routes.post("/cases/{case_id}/cancel")
    async def cancel_case(case_id: CaseId, idempotency_key: IdempotencyKey) -> CaseView:
        """Give back what the case holds and end it; 409 once money or print is under way."""
        return await act(f"cancel/{case_id}", idempotency_key, {}, lambda tx: service.cancel(tx, case_id))

    return routes


def _add_reading(routes: APIRouter, service: FlowService, db: Database) -> None:
    @routes.get("/cases")
    async def get_cases(
        hall: Filter = "",
        machine: Filter = "",
        item: Filter = "",
        resume_code: Filter = "",
        open: bool = False,
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> CasePage:
        """Cases, the newest first; staff find one by the code on the citizen's slip."""
        asked = {"hall": hall, "machine": machine, "item": item, "resume_code": resume_code}
        filters = {name: value for name, value in asked.items() if value}
        before, halls = _place(cursor), REACH.get().only
        found = await db.read(lambda conn: cases.listed(conn, filters, open, before, limit, halls))
        more = found[-1] if len(found) == limit else None
        return CasePage(
            items=[case_view(one, service.task_of(one.case)) for one in found],
            next=None if more is None else f"{more.started_ms}.{more.case.case_id}",
        )

    @routes.get("/cases/{case_id}")
    async def get_case(case_id: CaseId) -> CaseRecord:
        """A case with everything that it asked for, and what became of it."""

        def read(conn: Connection) -> CaseRecord:
            stored = cases.get(conn, case_id)
            return case_record(stored, service.task_of(stored.case), cases.history(conn, case_id))

        return await db.read(read)


def _place(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise Invalid("cursor: expected the value of `next` of the page before")
    return int(found[1]), found[2]
