"""The life of one update: every state and every step that is allowed. No step is taken anywhere else.

    verifying -> looking -> entering -> transferring -> marking -> rebooting -> testing -> confirming -> done

The device decides where an update begins again: ``looking`` asks it how much is done already.
"""

from collections.abc import Mapping
from enum import StrEnum


class UpdateState(StrEnum):
    """Where an update is."""

    VERIFYING = "verifying"
    LOOKING = "looking"
    ENTERING = "entering"
    TRANSFERRING = "transferring"
    MARKING = "marking"
    REBOOTING = "rebooting"
    TESTING = "testing"
    CONFIRMING = "confirming"
    ROLLING_BACK = "rolling_back"
    DONE = "done"  # the new firmware runs, passed its self-test and stays
    REFUSED = "refused"  # nothing was sent
    FAILED = "failed"  # the previous firmware is in charge, or the loader waits for the next try
    ROLLED_BACK = "rolled_back"  # the new firmware was tried; the previous one runs again
    STRANDED = "stranded"  # the device does not say what it runs: somebody has to look


class UpdateStep(StrEnum):
    """What may happen to it."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    NEEDED = "needed"
    STORED_ALREADY = "stored_already"
    MARKED_ALREADY = "marked_already"
    ON_TRIAL_ALREADY = "on_trial_already"
    INSTALLED_ALREADY = "installed_already"
    ENTERED = "entered"
    SENT = "sent"
    MARKED = "marked"
    STARTED = "started"
    PASSED = "passed"
    CONFIRMED = "confirmed"
    BROKE = "broke"
    REVERTED = "reverted"
    LOST = "lost"


ENDS = frozenset(
    {UpdateState.DONE, UpdateState.REFUSED, UpdateState.FAILED, UpdateState.ROLLED_BACK, UpdateState.STRANDED}
)

TRANSITIONS: Mapping[UpdateState, Mapping[UpdateStep, UpdateState]] = {
    UpdateState.VERIFYING: {
        UpdateStep.ADMITTED: UpdateState.LOOKING,
        UpdateStep.REFUSED: UpdateState.REFUSED,
        UpdateStep.BROKE: UpdateState.FAILED,
    },
    UpdateState.LOOKING: {
        UpdateStep.NEEDED: UpdateState.ENTERING,
        UpdateStep.STORED_ALREADY: UpdateState.MARKING,
        UpdateStep.MARKED_ALREADY: UpdateState.REBOOTING,
        UpdateStep.ON_TRIAL_ALREADY: UpdateState.TESTING,
        UpdateStep.INSTALLED_ALREADY: UpdateState.DONE,
        UpdateStep.BROKE: UpdateState.FAILED,
    },
    UpdateState.ENTERING: {UpdateStep.ENTERED: UpdateState.TRANSFERRING, UpdateStep.BROKE: UpdateState.FAILED},
    UpdateState.TRANSFERRING: {UpdateStep.SENT: UpdateState.MARKING, UpdateStep.BROKE: UpdateState.FAILED},
    UpdateState.MARKING: {UpdateStep.MARKED: UpdateState.REBOOTING, UpdateStep.BROKE: UpdateState.FAILED},
    UpdateState.REBOOTING: {UpdateStep.STARTED: UpdateState.TESTING, UpdateStep.BROKE: UpdateState.ROLLING_BACK},
    UpdateState.TESTING: {UpdateStep.PASSED: UpdateState.CONFIRMING, UpdateStep.BROKE: UpdateState.ROLLING_BACK},
    UpdateState.CONFIRMING: {UpdateStep.CONFIRMED: UpdateState.DONE, UpdateStep.BROKE: UpdateState.ROLLING_BACK},
    UpdateState.ROLLING_BACK: {
        UpdateStep.REVERTED: UpdateState.ROLLED_BACK,
        UpdateStep.INSTALLED_ALREADY: UpdateState.DONE,  # the word that it was confirmed had been lost, not the deed
        UpdateStep.LOST: UpdateState.STRANDED,
    },
}


def after(state: UpdateState, step: UpdateStep) -> UpdateState:
    """The state that ``step`` leads to. Raises KeyError for a step that is not in the table: a defect."""
    return TRANSITIONS[state][step]
