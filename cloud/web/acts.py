"""What staff do on the pages: take over an alert, accept or decline a proposal. Works without JavaScript too."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Form, Header, Path
from starlette.responses import RedirectResponse, Response

from cloud.alerts.service import AlertService
from cloud.core.clock import Clock, to_ms
from cloud.dispatch.service import DispatchService
from cloud.storage.idempotency import once
from cloud.storage.unit_of_work import Database, Tx

Key = Annotated[str, Form(min_length=1, max_length=120, pattern=r"^[\x21-\x7e]+$")]
KeyHeader = Annotated[str, Header(alias="Idempotency-Key", max_length=120)]
Id = Annotated[str, Path(max_length=64)]
Back = Annotated[str, Form(max_length=100, pattern=r"^/[a-z0-9-]*(/[a-z0-9-]+)*$")]
FromScript = Annotated[str, Header(alias="HX-Request")]


class Decision(StrEnum):
    """What staff say to a proposal."""

    ACCEPT = "accept"
    DECLINE = "decline"


class StaffActs:
    """The writes of the pages, each done once per key."""

    def __init__(self, db: Database, alerts: AlertService, dispatch: DispatchService, clock: Clock) -> None:
        self._db = db
        self._alerts = alerts
        self._dispatch = dispatch
        self._clock = clock

    async def acknowledge(self, alert: str, key: str) -> None:
        """Somebody has taken the alert on. Raises NotFound, Conflict."""
        await self._once(f"page/acknowledge/{alert}", key, lambda tx: self._alerts.acknowledge(tx, alert))

    async def decide(self, proposal: str, decision: Decision, key: str) -> None:
        """Carry a proposal out, or not. Raises NotFound, Conflict."""
        carry_out = self._dispatch.accept if decision is Decision.ACCEPT else self._dispatch.decline
        await self._once(f"page/{decision}/{proposal}", key, lambda tx: carry_out(tx, proposal))

    async def _once(self, scope: str, key: str, work: Callable[[Tx], object]) -> None:
        def do(tx: Tx) -> dict[str, Any]:
            work(tx)
            return {}

        now_ms = to_ms(self._clock.now())
        await self._db.write(lambda tx: once(tx, scope[:200], key, {}, now_ms, lambda: do(tx)))


def routes(acts: StaffActs) -> APIRouter:
    """The forms' addresses."""
    router = APIRouter(include_in_schema=False)

    @router.post("/alerts/{alert}/acknowledge")
    async def acknowledge(
        alert: Id, key: Key, back: Back = "/", hx_request: FromScript = "", header: KeyHeader = ""
    ) -> Response:
        await acts.acknowledge(alert, header or key)
        return _done(back, hx_request)

    @router.post("/proposals/{proposal}/{decision}")
    async def decide(
        proposal: Id,
        decision: Decision,
        key: Key,
        back: Back = "/",
        hx_request: FromScript = "",
        header: KeyHeader = "",
    ) -> Response:
        await acts.decide(proposal, decision, header or key)
        return _done(back, hx_request)

    return router


def _done(back: str, from_script: str) -> Response:
    return Response(status_code=204) if from_script == "true" else RedirectResponse(back, 303)
