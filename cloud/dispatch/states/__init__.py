"""The life of a proposal as one table."""

from collections.abc import Mapping
from enum import StrEnum

from cloud.core.errors import Conflict
from cloud.dispatch.model import ProposalState


class ProposalStep(StrEnum):
    """What happens to a proposal."""

    ACCEPT = "accept"
    DECLINE = "decline"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"


FIRST = ProposalState.OPEN

TRANSITIONS: Mapping[tuple[ProposalState, ProposalStep], ProposalState] = {
    (ProposalState.OPEN, ProposalStep.ACCEPT): ProposalState.ACCEPTED,
    (ProposalState.OPEN, ProposalStep.DECLINE): ProposalState.DECLINED,
    (ProposalState.OPEN, ProposalStep.EXPIRE): ProposalState.EXPIRED,
    (ProposalState.OPEN, ProposalStep.WITHDRAW): ProposalState.WITHDRAWN,
}


def after(state: ProposalState, step: ProposalStep) -> ProposalState:
    """The state after ``step``. Raises Conflict when the proposal is settled already."""
    target = TRANSITIONS.get((state, step))
    if target is None:
        raise Conflict(f"proposal is {state}: {step} is not possible any more")
    return target
