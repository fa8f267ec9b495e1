"""What has happened: the one kind of thing that features tell each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened, in the past tense (``ticket.issued``, ``command.settled``).

    ``machine`` is empty for a fact of the cloud itself. ``epoch`` and ``sequence`` are those of the
    machine's envelope, 0 when it did not come from one. ``historical`` marks a fact that was sent late:
    true, but not news.
    """

    type: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    machine: str = ""
    slot: str = "agent"
    hall: str = ""
    epoch: int = 0
    sequence: int = 0
    historical: bool = False
