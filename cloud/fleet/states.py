"""Whether a machine is there."""

from collections.abc import Mapping
from enum import StrEnum


class MachineState(StrEnum):
    """Presence as last announced. A machine that never announced itself is NEVER_SEEN."""

    NEVER_SEEN = "never_seen"
    ONLINE = "online"
    OFFLINE = "offline"


TRANSITIONS: Mapping[MachineState, frozenset[MachineState]] = {
    MachineState.NEVER_SEEN: frozenset({MachineState.ONLINE, MachineState.OFFLINE}),
    MachineState.ONLINE: frozenset({MachineState.OFFLINE}),
    MachineState.OFFLINE: frozenset({MachineState.ONLINE}),
}
