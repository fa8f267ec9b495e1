"""The record and erasures over HTTP."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, status

from cloud.audit.schemas import (
    AskErasure,
    EntryPage,
    ErasureView,
    HeadView,
    VerdictView,
    entry_view,
    erasure_view,
    head_view,
    verdict_view,
)
from cloud.audit.service import AuditService, RetentionService
from cloud.audit.store import entries
from cloud.core.clock import Clock, to_ms
from cloud.storage.idempotency import IdempotencyKey, once
from cloud.storage.unit_of_work import Database, Tx

BIGGEST = 2**63 - 1
Filter = Annotated[str, Query(max_length=140)]
Newest = Annotated[
    int, Query(ge=1, le=200_000, description="how many of the newest entries; `hallfleet audit verify` checks all")
]


def router(audit: AuditService, retention: RetentionService, db: Database, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["audit"])
    _add_reading(routes, audit, db)
    _add_erasures(routes, retention, db, clock)
    return routes


def _add_reading(routes: APIRouter, audit: AuditService, db: Database) -> None:
    @routes.get("/audit")
    async def get_audit(
        action: Annotated[str, Query(max_length=80, description="a name, or the beginning of one")] = "",
        actor: Filter = "",
        hall: Filter = "",
        machine: Filter = "",
        subject: Filter = "",
        cursor: Annotated[int | None, Query(ge=0, le=BIGGEST)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> EntryPage:
        """What happened, the newest first."""
        asked = {"actor": actor, "hall": hall, "machine": machine, "subject": subject}
        filters = {name: value for name, value in asked.items() if value}
        found = await db.read(lambda conn: entries.listed(conn, filters, action, cursor, limit))
        more = found[-1].sequence if len(found) == limit else None
        return EntryPage(items=[entry_view(entry) for entry in found], next=more)

    @routes.get("/audit/head")
    async def get_audit_head() -> HeadView:
        """Where the chain ends now."""
        return head_view(await db.read(audit.head))

    @routes.get("/audit/verify")
    async def verify_audit(newest: Newest = 20_000) -> VerdictView:
        """Check the newest entries against each other, the head and the anchors."""
        anchors = await asyncio.to_thread(audit.anchors)
        return verdict_view(await db.read(lambda conn: audit.check(conn, anchors, newest)))


def _add_erasures(routes: APIRouter, retention: RetentionService, db: Database, clock: Clock) -> None:
    @routes.post("/erasures", status_code=status.HTTP_201_CREATED)
    async def erase_person(asked: AskErasure, idempotency_key: IdempotencyKey) -> ErasureView:
        """End what is kept of one person; 409 while a case of the person is running."""

        def erase(tx: Tx) -> dict[str, Any]:
            return erasure_view(retention.erase(tx, asked.subject)).model_dump(mode="json")

        now_ms = to_ms(clock.now())
        request = asked.model_dump()  # kept for a day, as a hash of the token
        answer = await db.write(lambda tx: once(tx, "erasures", idempotency_key, request, now_ms, lambda: erase(tx)))
        return ErasureView.model_validate(answer)
