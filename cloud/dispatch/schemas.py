"""HTTP bodies of dispatch."""

from datetime import datetime

from pydantic import BaseModel, Field

from cloud.core.clock import from_ms
from cloud.dispatch.model import Proposal, ProposalState


class FiguresView(BaseModel):
    """What a proposal rests on. ``before_s`` null: no counter called the service."""

    waiting: int
    target_s: int
    before_s: int | None
    after_s: int
    open_counters: int


class OutcomeView(BaseModel):
    """How the service stood some time after the move."""

    waiting: int
    wait_s: int | None
    at: datetime


class ProposalView(BaseModel):
    """Let the clerk at a counter also call another service."""

    id: str
    hall: str
    counter: str
    clerk: str
    to_service: str
    reason_zh: str
    reason_en: str
    figures: FiguresView
    state: ProposalState
    made_at: datetime
    expires_at: datetime
    settled_at: datetime | None
    outcome: OutcomeView | None


class DispatchView(BaseModel):
    """A hall's latest proposals, the newest first."""

    items: list[ProposalView] = Field(max_length=50)


def proposal_view(proposal: Proposal) -> ProposalView:
    """A proposal as HTTP shows it."""
    return ProposalView(
        id=proposal.proposal_id,
        hall=proposal.hall,
        counter=proposal.counter,
        clerk=proposal.clerk,
        to_service=proposal.to_service,
        reason_zh=proposal.reason_zh,
        reason_en=proposal.reason_en,
        figures=FiguresView.model_validate(dict(proposal.figures)),
        state=proposal.state,
        made_at=from_ms(proposal.made_ms),
        expires_at=from_ms(proposal.expires_ms),
        settled_at=None if proposal.settled_ms is None else from_ms(proposal.settled_ms),
        outcome=_outcome(proposal),
    )


def _outcome(proposal: Proposal) -> OutcomeView | None:
    waiting, at_ms = proposal.outcome.get("waiting"), proposal.outcome.get("at_ms")
    if waiting is None or at_ms is None:
        return None
    return OutcomeView(waiting=waiting, wait_s=proposal.outcome.get("wait_s"), at=from_ms(at_ms))
