"""Alerts over HTTP."""

import re
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from cloud.alerts import store
from cloud.alerts.model import Alert, AlertState, Who
from cloud.alerts.schemas import AlertPage, AlertView, ShelveAlert, alert_view
from cloud.alerts.service import AlertService
from cloud.core.callers import REACH
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Invalid
from cloud.storage.idempotency import IdempotencyKey, once
from cloud.storage.unit_of_work import Database, Tx

AlertId = Annotated[str, Path(max_length=64)]
Filter = Annotated[str, Query(max_length=63)]
CURSOR = re.compile(r"([0-9]{1,15})\.([a-z0-9_]{1,64})")
# The pattern is only described here: our own words are clearer than the framework's.
Cursor = Annotated[str, Query(max_length=90, json_schema_extra={"pattern": f"^({CURSOR.pattern})?$"})]


def router(service: AlertService, db: Database, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["alerts"])
    _add_list(routes, db)
    _add_steps(routes, service, db, clock)
    return routes


def _add_list(routes: APIRouter, db: Database) -> None:
    @routes.get("/alerts")
    async def get_alerts(
        hall: Filter = "",
        machine: Filter = "",
        slot: Filter = "",
        state: AlertState | None = None,
        who: Who | None = None,
        active: Annotated[bool, Query(description="only alerts that are not closed")] = False,
        cursor: Cursor = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> AlertPage:
        """Alerts, the newest first."""
        asked = {"hall": hall, "machine": machine, "slot": slot, "state": state or "", "who": who or ""}
        filters = {name: str(value) for name, value in asked.items() if value}
        before, halls = _place(cursor), REACH.get().only
        found = await db.read(lambda conn: store.listed(conn, filters, active, before, limit, halls))
        more = found[-1] if len(found) == limit else None
        return AlertPage(
            items=[alert_view(alert) for alert in found],
            next=None if more is None else f"{more.opened_ms}.{more.alert_id}",
        )


def _add_steps(routes: APIRouter, service: AlertService, db: Database, clock: Clock) -> None:
    async def act(
        step: str, alert_id: str, key: str, request: dict[str, Any], work: Callable[[Tx], Alert]
    ) -> AlertView:
        def shown(tx: Tx) -> dict[str, Any]:
            return alert_view(work(tx)).model_dump(mode="json")

        scope, now_ms = f"{step}/{alert_id}", to_ms(clock.now())
        answer = await db.write(lambda tx: once(tx, scope, key, request, now_ms, lambda: shown(tx)))
        return AlertView.model_validate(answer)

    @routes.post("/alerts/{alert_id}/acknowledge")
    async def acknowledge_alert(alert_id: AlertId, idempotency_key: IdempotencyKey) -> AlertView:
        """Somebody has taken it on."""
        return await act("acknowledge", alert_id, idempotency_key, {}, lambda tx: service.acknowledge(tx, alert_id))

    @routes.post("/alerts/{alert_id}/shelve")
    async def shelve_alert(
        alert_id: AlertId, idempotency_key: IdempotencyKey, asked: ShelveAlert | None = None
    ) -> AlertView:
        """Put it away for a time; it comes back by itself."""
        body = asked or ShelveAlert()
        return await act(
            "shelve",
            alert_id,
            idempotency_key,
            body.model_dump(),
            lambda tx: service.shelve(tx, alert_id, body.minutes * 60.0),
        )

    @routes.post("/alerts/{alert_id}/resolve")
    async def resolve_alert(alert_id: AlertId, idempotency_key: IdempotencyKey) -> AlertView:
        """A person says that it is over; 409 while the device itself still reports the fault."""
        return await act("resolve", alert_id, idempotency_key, {}, lambda tx: service.resolve(tx, alert_id))


def _place(cursor: str) -> tuple[int, str] | None:
    if not cursor:
        return None
    found = CURSOR.fullmatch(cursor)
    if found is None:
        raise Invalid("cursor: expected the value of `next` of the page before")
    return int(found[1]), found[2]
