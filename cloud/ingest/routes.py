"""``/machines/{m}/events``, ``/machines/{m}/ledger`` and ``/quarantine``."""

import base64
import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Query
from pydantic import BaseModel

from cloud.core.clock import from_ms
from cloud.core.errors import Invalid
from cloud.ingest.gaps import Gap, gaps_of
from cloud.ingest.quarantine import read_quarantine
from cloud.ingest.store import COUNTED, load_streams, read_events, read_ledger
from cloud.ingest.watch import AHEAD_S, BEHIND_S
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
    """One fact as the machine sent it. ``sequence`` is the order; ``time_doubtful``: ``at`` lies ahead of its arrival,
    or far behind it though it was sent as news.
    """

    epoch: int
    sequence: int
    slot: str
    type: str
    at: datetime
    received_at: datetime
    historical: bool
    time_doubtful: bool
    data: dict[str, Any]


class EventPage(BaseModel):
    """A page of facts, newest first; ``next`` is the cursor of the following page."""

    items: list[EventView]
    next: str | None


class LedgerDay(BaseModel):
    """One day in the time zone of the hall. All but ``missing`` count what arrived on it, late facts included.

    ``received``: facts that came. ``dropped``: given up by the machine on purpose, and told; ``dropped_telemetry`` and
    ``dropped_business`` of them. ``freed``: acknowledged before this database was set back to an older state.
    ``missing``: noticed on this day as not arrived, and still not here.
    """

    day: str
    received: int
    dropped: int
    dropped_telemetry: int
    dropped_business: int
    freed: int
    quarantined: int
    missing: int


class LedgerGap(BaseModel):
    """Sequences ``first`` to ``last`` of an epoch have not arrived though later ones have.

    ``open``: the machine can still send them; not so when it has begun a new epoch, with a new disk or file.
    """

    epoch: int
    first: int
    last: int
    noticed_at: datetime
    open: bool


class LedgerEpoch(BaseModel):
    """One epoch of a machine: all sequences up to ``complete_to`` are here, explained by the machine, or in
    quarantine.
    """

    epoch: int
    complete_to: int
    missing: int
    days: list[LedgerDay]


class LedgerView(BaseModel):
    """How complete the record of a machine is: per epoch, per day over all epochs, and every gap."""

    machine: str
    epochs: list[LedgerEpoch]
    days: list[LedgerDay] = []
    gaps: list[LedgerGap] = []


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
        time_doubtful=_is_doubtful(row.at_ms - row.received_ms, row.historical),
        data=row.data,
    )


def _is_doubtful(ahead_ms: int, historical: bool) -> bool:
    return ahead_ms > AHEAD_S * 1000 or (not historical and ahead_ms < -BEHIND_S * 1000)


def _ledger(connection: sa.Connection, machine: str) -> LedgerView:
    streams = {epoch: stream for (_, epoch), stream in sorted(load_streams(connection, [machine]).items())}
    sums: dict[tuple[int, str], Counter[str]] = {}
    for row in read_ledger(connection, machine):
        sums[row.epoch, row.day] = Counter({name: getattr(row, name) for name in COUNTED})
    found = gaps_of(connection, machine)
    for gap in found:
        sums.setdefault((gap.epoch, gap.day), Counter())["missing"] += gap.missing
    whole: dict[str, Counter[str]] = {}
    for (_, day), counts in sums.items():
        whole[day] = whole.get(day, Counter()) + counts
    epochs = [
        LedgerEpoch(
            epoch=epoch,
            complete_to=stream.contiguous,
            missing=stream.missing(),
            days=[_day(day, counts) for (of, day), counts in sorted(sums.items()) if of == epoch],
        )
        for epoch, stream in streams.items()
    ]
    present = max(streams, default=0)
    return LedgerView(
        machine=machine,
        epochs=epochs,
        days=[_day(day, counts) for day, counts in sorted(whole.items())],
        gaps=[_gap(gap, present) for gap in found],
    )


def _day(day: str, counts: Counter[str]) -> LedgerDay:
    telemetry = counts["dropped"] - counts["dropped_business"]
    return LedgerDay(
        day=day, missing=counts["missing"], dropped_telemetry=telemetry, **{name: counts[name] for name in COUNTED}
    )


def _gap(gap: Gap, present: int) -> LedgerGap:
    noticed_at = from_ms(gap.noticed_ms)
    return LedgerGap(epoch=gap.epoch, first=gap.first, last=gap.last, noticed_at=noticed_at, open=gap.epoch == present)


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
