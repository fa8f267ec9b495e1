"""What retention needs of the features that hold what is personal; ``cloud.wiring`` brings them together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud.storage.tx import Tx

CHUNK = 500
"""At most this many rows are changed in one unit of work: the writer has others to serve."""


@dataclass(frozen=True, slots=True)
class DataClass:
    """What is kept for ``days`` (0: without end). ``end(tx, before_ms, limit)`` ends at most ``limit`` of what is older
    and returns how many that were.
    """

    name: str
    days: int
    end: Callable[[Tx, int, int], int]


class People(Protocol):
    """Finds and ends what is kept of one person."""

    def running(self, tx: Tx, subject: str) -> Sequence[str]:
        """The cases of this person that have not ended."""
        ...

    def erase(self, tx: Tx, subject: str) -> dict[str, int]:
        """Remove or blind everything that belongs to the person; what (a class's name) and how many."""
        ...
