"""The life of the lease as one table. No step is taken anywhere else; a step that is not in it is refused."""

from collections.abc import Mapping
from enum import StrEnum


class LeaseState(StrEnum):
    """DRAINING: a disruptive act waits for the citizens that are there; nobody new may begin."""

    FREE = "free"
    SERVING = "serving"
    DRAINING = "draining"
    DISRUPTED = "disrupted"


class LeaseStep(StrEnum):
    """JOINED: more of what is done for a citizen who is there already."""

    BEGAN = "began"
    JOINED = "joined"
    GONE = "gone"
    ASKED = "asked"
    GIVEN_UP = "given_up"
    FORCED = "forced"
    ENDED = "ended"


TRANSITIONS: Mapping[LeaseState, Mapping[LeaseStep, LeaseState]] = {
    LeaseState.FREE: {
        LeaseStep.BEGAN: LeaseState.SERVING,
        LeaseStep.JOINED: LeaseState.SERVING,  # a case goes on whose session has left the screen
        LeaseStep.ASKED: LeaseState.DISRUPTED,
    },
    LeaseState.SERVING: {
        LeaseStep.BEGAN: LeaseState.SERVING,
        LeaseStep.JOINED: LeaseState.SERVING,
        LeaseStep.GONE: LeaseState.FREE,
        LeaseStep.ASKED: LeaseState.DRAINING,
    },
    LeaseState.DRAINING: {
        LeaseStep.JOINED: LeaseState.DRAINING,
        LeaseStep.GONE: LeaseState.DISRUPTED,
        LeaseStep.GIVEN_UP: LeaseState.SERVING,
        LeaseStep.FORCED: LeaseState.DISRUPTED,
    },
    LeaseState.DISRUPTED: {LeaseStep.ENDED: LeaseState.FREE},
}


def allowed(state: LeaseState, step: LeaseStep) -> bool:
    """Whether the table holds this step."""
    return step in TRANSITIONS[state]


def after(state: LeaseState, step: LeaseStep) -> LeaseState:
    """The state that ``step`` leads to. Raises KeyError for a step that is not in the table: a defect."""
    return TRANSITIONS[state][step]
