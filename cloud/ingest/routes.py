"""``/machines/{m}/events``, ``/machines/{m}/ledger`` and ``/quarantine``."""

import base64
import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel

from cloud.core.clock import from_ms
from cloud.core.errors import Invalid
from cloud.ingest.quarantine import read_quarantine
from cloud.ingest.store import load_streams, read_events, read_ledger
from cloud.storage.unit_of_work import Database

CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
BIGGEST = 2**63 - 1
# The pattern is only described here: our own words are clearer than the framework's.
Cursor = Annotated[
    str,
    Query(
        max_length=40,
        description="`next` of the page before",
        json_schema_extra={"pattern": f"^({CURSOR.pattern})?$"},
    ),
]


class EventView(BaseModel):
    """One fact as the machine sent it."""

    epoch: int
    sequence: int
    slot: str
    type: str
    at: datetime
    received_at: datetime
    historical: bool
    data: dict[str, Any]


class EventPage(BaseModel):
    """A page of facts, newest first; ``next`` is the cursor of the following page."""

    items: list[EventView]
    next: str | None


class LedgerDay(BaseModel):
    """What arrived on one day (UTC, by the time of arrival), replays of older facts included."""

    day: str
    received: int
    dropped: int
    quarantined: int


class LedgerEpoch(BaseModel):
    """One epoch of a machine: all sequences up to ``complete_to`` are here, given up by the machine, or in
    quarantine.
    """

    epoch: int
    complete_to: int
    missing: int
    days: list[LedgerDay]


class LedgerView(BaseModel):
    """How complete the record of a machine is."""

    machine: str
    epochs: list[LedgerEpoch]


class QuarantineItem(BaseModel):
    """One thing that was put aside; ``payload`` is base64 of its first 4 KiB, which may hold personal data."""

    id: int
    received_at: datetime
    machine: str
    epoch: int
    sequence: int
    topic: str
    reason: str
    size: int
    payload: str


class QuarantinePage(BaseModel):
    """A page of the quarantine, newest first."""

    items: list[QuarantineItem]
    next: int | None


def router(db: Database, check_machine: Callable[[str], object]) -> APIRouter:
    """The routes; ``check_machine`` raises NotFound for a machine that is not ours."""
    routes = APIRouter(tags=["ingest"])

    @routes.get("/machines/{machine}/events")
    async def get_events(
        machine: str,
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> EventPage:
        """The facts of a machine, newest first."""
        check_machine(machine)
        rows = await db.read(lambda conn: read_events(conn, machine, _before(cursor), limit))
        following = f"{rows[-1].epoch}-{rows[-1].sequence}" if len(rows) == limit else None
        return EventPage(items=[_event(row) for row in rows], next=following)

    @routes.get("/machines/{machine}/ledger")
    async def get_ledger(machine: str) -> LedgerView:
        """How complete the record of a machine is, per epoch and day."""
        check_machine(machine)
        return await db.read(lambda conn: _ledger(conn, machine))

    @routes.get("/quarantine")
    async def get_quarantine(
        cursor: Annotated[int | None, Query(ge=0, le=BIGGEST)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> QuarantinePage:
        """Messages that did not parse or were not allowed."""
        rows = await db.read(lambda conn: read_quarantine(conn, cursor, limit))
        return QuarantinePage(items=[_aside(row) for row in rows], next=rows[-1].id if len(rows) == limit else None)

    return routes


def _before(cursor: str) -> tuple[int, int] | None:
    if not cursor:
        return None
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise Invalid(f"cursor: expected `next` of an earlier page, got {cursor[:40]!r}")
    return int(found[1]), int(found[2])


def _event(row: sa.Row[Any]) -> EventView:
    return EventView(
        epoch=row.epoch,
        sequence=row.sequence,
        slot=row.slot,
        type=row.type,
        at=from_ms(row.at_ms),
        received_at=from_ms(row.received_ms),
        historical=row.historical,
        data=row.data,
    )


def _ledger(connection: sa.Connection, machine: str) -> LedgerView:
    days: dict[int, list[LedgerDay]] = {}
    for row in read_ledger(connection, machine):
        day = LedgerDay(day=row.day, received=row.received, dropped=row.dropped, quarantined=row.quarantined)
        days.setdefault(row.epoch, []).append(day)
    epochs = [
        LedgerEpoch(epoch=epoch, complete_to=stream.contiguous, missing=stream.missing(), days=days.get(epoch, []))
        for (_, epoch), stream in sorted(load_streams(connection, [machine]).items())
    ]
    return LedgerView(machine=machine, epochs=epochs)


def _aside(row: sa.Row[Any]) -> QuarantineItem:
    return QuarantineItem(
        id=row.id,
        received_at=from_ms(row.received_ms),
        machine=row.machine,
        epoch=row.epoch,
        sequence=row.sequence,
        topic=row.topic,
        reason=row.reason,
        size=row.size,
        payload=base64.b64encode(row.payload).decode(),
    )
