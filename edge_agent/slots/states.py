"""The life of a slot: every state and every step that is allowed. No step is taken anywhere else."""

from collections.abc import Mapping
from enum import StrEnum


class SlotState(StrEnum):
    """Where a slot is in its life."""

    ABSENT = "absent"  # its port does not exist: nothing is plugged in
    OPENING = "opening"
    IDENTIFYING = "identifying"
    RUNNING = "running"
    FAILED = "failed"
    BACKING_OFF = "backing_off"
    REFUSED = "refused"  # a device is there and not used: a wrong one, or nobody can tell which one is meant
    LENT = "lent"  # other work (a firmware update) has the port to itself


class SlotStep(StrEnum):
    """What may happen to it."""

    PORT_APPEARED = "port_appeared"
    OPENED = "opened"
    IDENTIFIED = "identified"
    REFUSED = "refused"
    BROKE = "broke"
    WAITING = "waiting"
    WAITED = "waited"
    PORT_VANISHED = "port_vanished"
    LENT = "lent"
    RETURNED = "returned"


TRANSITIONS: Mapping[SlotState, Mapping[SlotStep, SlotState]] = {
    SlotState.ABSENT: {SlotStep.PORT_APPEARED: SlotState.OPENING},
    SlotState.OPENING: {
        SlotStep.OPENED: SlotState.IDENTIFYING,
        SlotStep.REFUSED: SlotState.REFUSED,
        SlotStep.BROKE: SlotState.FAILED,
    },
    SlotState.IDENTIFYING: {
        SlotStep.IDENTIFIED: SlotState.RUNNING,
        SlotStep.REFUSED: SlotState.REFUSED,
        SlotStep.BROKE: SlotState.FAILED,
    },
    SlotState.RUNNING: {SlotStep.BROKE: SlotState.FAILED, SlotStep.LENT: SlotState.LENT},
    SlotState.FAILED: {SlotStep.WAITING: SlotState.BACKING_OFF, SlotStep.PORT_VANISHED: SlotState.ABSENT},
    SlotState.BACKING_OFF: {
        SlotStep.WAITED: SlotState.OPENING,
        SlotStep.PORT_VANISHED: SlotState.ABSENT,
        SlotStep.LENT: SlotState.LENT,
    },
    SlotState.REFUSED: {
        SlotStep.WAITED: SlotState.OPENING,
        SlotStep.PORT_VANISHED: SlotState.ABSENT,
        SlotStep.LENT: SlotState.LENT,
    },
    SlotState.LENT: {SlotStep.RETURNED: SlotState.OPENING, SlotStep.PORT_VANISHED: SlotState.ABSENT},
}


def after(state: SlotState, step: SlotStep) -> SlotState:
    """The state that ``step`` leads to. Raises KeyError for a step that is not in the table: a defect."""
    return TRANSITIONS[state][step]
