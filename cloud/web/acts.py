"""What staff do on the pages: take over an alert, accept or decline a proposal. Works without JavaScript too."""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Form, Header
from starlette.responses import RedirectResponse, Response

Key = Annotated[str, Form(min_length=1, max_length=120, pattern=r"^[\x21-\x7e]+$")]
KeyHeader = Annotated[str, Header(alias="Idempotency-Key", max_length=120)]
Back = Annotated[str, Form(max_length=100, pattern=r"^/[a-z0-9-]*(/[a-z0-9-]+)*$")]
FromScript = Annotated[str, Header(alias="HX-Request")]


class Decision(StrEnum):
    """What staff say to a proposal."""

    ACCEPT = "accept"
    DECLINE = "decline"


class StaffActs:
    """The two writes of the pages, each done once per key."""

    def __init__(
        self,
        acknowledge: Callable[[str, str], Awaitable[object]],
        decide: Callable[[str, Decision, str], Awaitable[object]],
    ) -> None:
        """``acknowledge(alert_id, key)``, ``decide(proposal_id, decision, key)``; both raise NotFound, Conflict."""
        self.acknowledge = acknowledge
        self.decide = decide


def routes(acts: StaffActs) -> APIRouter:
    """The forms' addresses."""
    router = APIRouter(include_in_schema=False)

    @router.post("/alerts/{alert}/acknowledge")
    async def acknowledge(
        alert: str, key: Key, back: Back = "/", hx_request: FromScript = "", header: KeyHeader = ""
    ) -> Response:
        await acts.acknowledge(alert, header or key)
        return _done(back, hx_request)

    @router.post("/proposals/{proposal}/{decision}")
    async def decide(
        proposal: str,
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
