"""The life of a command, as the cloud knows it."""

from collections.abc import Mapping
from enum import StrEnum


class CommandState(StrEnum):
    """PENDING: not sent. SENT: it may be happening. The others are outcomes."""

    PENDING = "pending"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


_EVIDENCE = frozenset({CommandState.SUCCEEDED, CommandState.FAILED, CommandState.REFUSED, CommandState.EXPIRED})

# UNKNOWN and EXPIRED may have been our own conclusion from silence: the machine's word, when it comes, wins.
TRANSITIONS: Mapping[CommandState, frozenset[CommandState]] = {
    CommandState.PENDING: _EVIDENCE | {CommandState.SENT, CommandState.UNKNOWN},
    CommandState.SENT: _EVIDENCE | {CommandState.UNKNOWN},
    CommandState.UNKNOWN: _EVIDENCE,
    CommandState.EXPIRED: _EVIDENCE - {CommandState.EXPIRED},
    CommandState.SUCCEEDED: frozenset(),
    CommandState.FAILED: frozenset(),
    CommandState.REFUSED: frozenset(),
}
OPEN = frozenset({CommandState.PENDING, CommandState.SENT})
