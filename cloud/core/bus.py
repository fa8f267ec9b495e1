"""Who reacts to which fact. Reactions run inside the transaction that published it; listeners hear of it
afterwards.
"""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Generic, TypeVar

from cloud.core.facts import Fact

T = TypeVar("T")
Listener = Callable[[Sequence[Fact]], None]


class Bus(Generic[T]):
    """The table of reactions; ``T`` is the unit of work that a reaction may write with
    (``storage.unit_of_work.Tx``).
    """

    def __init__(self) -> None:
        self._reactions: list[tuple[str, Callable[[T, Fact], None]]] = []
        self._listeners: list[Listener] = []
        self._found: dict[str, tuple[Callable[[T, Fact], None], ...]] = {}

    def on(self, type_pattern: str, reaction: Callable[[T, Fact], None]) -> None:
        """Run ``reaction(tx, fact)`` for every fact whose type matches (``ticket.issued``, ``printer.*``,
        ``*``).

        Reactions run in the order in which they were added, in the publisher's transaction: what one raises
        undoes it.
        """
        self._reactions.append((type_pattern, reaction))
        self._found.clear()

    def after_commit(self, listener: Listener) -> None:
        """Call ``listener(facts)`` on the event loop with the facts of each commit, in order. It must not
        block.
        """
        self._listeners.append(listener)

    @property
    def listeners(self) -> Sequence[Listener]:
        """Everyone who hears of facts after the commit."""
        return tuple(self._listeners)

    def reactions(self, fact_type: str) -> tuple[Callable[[T, Fact], None], ...]:
        """The reactions to one type of fact, in order."""
        found = self._found.get(fact_type)
        if found is None:
            found = tuple(react for pattern, react in self._reactions if fnmatchcase(fact_type, pattern))
            self._found[fact_type] = found
        return found
