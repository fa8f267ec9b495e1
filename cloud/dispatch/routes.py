"""Proposals over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path

from cloud.core.clock import Clock, to_ms
from cloud.dispatch.model import Proposal
from cloud.dispatch.schemas import DispatchView, ProposalView, proposal_view
from cloud.dispatch.service import DispatchService
from cloud.storage.idempotency import IdempotencyKey, once
from cloud.storage.unit_of_work import Database, Tx

HallId = Annotated[str, Path(max_length=60)]
ProposalId = Annotated[str, Path(max_length=64)]


def router(service: DispatchService, db: Database, clock: Clock) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["dispatch"])

    @routes.get("/halls/{hall}/dispatch")
    async def get_dispatch(hall: HallId) -> DispatchView:
        """The latest proposals of a hall, the newest first."""
        found = await db.read(lambda conn: service.newest(conn, hall))
        return DispatchView(items=[proposal_view(proposal) for proposal in found])

    async def act(step: str, proposal_id: str, key: str, work: Callable[[Tx, str], Proposal]) -> ProposalView:
        def shown(tx: Tx) -> dict[str, Any]:
            return proposal_view(work(tx, proposal_id)).model_dump(mode="json")

        scope, now_ms = f"{step}/{proposal_id}", to_ms(clock.now())
        answer = await db.write(lambda tx: once(tx, scope, key, {}, now_ms, lambda: shown(tx)))
        return ProposalView.model_validate(answer)

    @routes.post("/dispatch/{proposal}/accept")
    async def accept_proposal(proposal: ProposalId, idempotency_key: IdempotencyKey) -> ProposalView:
        """Carry it out: the counter's next call takes from the pressed queue. 409 when it is settled or too late."""
        return await act("accept", proposal, idempotency_key, service.accept)

    @routes.post("/dispatch/{proposal}/decline")
    async def decline_proposal(proposal: ProposalId, idempotency_key: IdempotencyKey) -> ProposalView:
        """Not now: the counter is left alone for a while."""
        return await act("decline", proposal, idempotency_key, service.decline)

    return routes
