"""The life of vendor mode as one table."""

from collections.abc import Mapping
from enum import StrEnum


class VendorState(StrEnum):
    """DRAINING: the present citizen is served. DRAINED: out of service, slots run. MAINTAINING: slots are released."""

    OFF = "off"
    DRAINING = "draining"
    DRAINED = "drained"
    MAINTAINING = "maintaining"


class VendorStep(StrEnum):
    """What may happen to it. EXPIRED: its clock has run out."""

    DRAIN = "drain"
    EMPTIED = "emptied"
    MAINTAIN = "maintain"
    END = "end"
    EXPIRED = "expired"


_ENDS = {VendorStep.END: VendorState.OFF, VendorStep.EXPIRED: VendorState.OFF}
TRANSITIONS: Mapping[VendorState, Mapping[VendorStep, VendorState]] = {
    VendorState.OFF: {VendorStep.DRAIN: VendorState.DRAINING},
    VendorState.DRAINING: {VendorStep.EMPTIED: VendorState.DRAINED, **_ENDS},
    VendorState.DRAINED: {VendorStep.MAINTAIN: VendorState.MAINTAINING, **_ENDS},
    VendorState.MAINTAINING: dict(_ENDS),
}


def after(state: VendorState, step: VendorStep) -> VendorState:
    """The state that ``step`` leads to. Raises KeyError for a step that is not in the table: a defect."""
    return TRANSITIONS[state][step]
