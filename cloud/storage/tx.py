"""One unit of work: a connection inside a transaction, and the facts that it published."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from cloud.core.bus import Bus
from cloud.core.errors import ReactionLoop
from cloud.core.facts import Fact

MAX_DEPTH = 12  # a fact causes a fact causes a fact: real chains have a handful of links


class Tx:
    """One unit of work. ``conn`` is the connection; ``facts`` what was published so far, in order.

    ``careful`` is True when an earlier try of this batch failed: the work then runs inside a savepoint, and
    a unit that carries several independent things should put each of them into ``savepoint()``.
    """

    def __init__(self, conn: sa.Connection, bus: Bus["Tx"], careful: bool = False) -> None:
        self.conn = conn
        self.careful = careful
        self.facts: list[Fact] = []
        self._bus = bus
        self._depth = 0

    def publish(self, fact: Fact) -> None:
        """Tell that ``fact`` happened: its reactions run now, in this transaction; listeners hear after the
        commit.

        Raises whatever a reaction raises, and ReactionLoop when facts cause each other without end.
        """
        if self._depth >= MAX_DEPTH:
            raise ReactionLoop(f"{fact.type}: published {MAX_DEPTH} reactions deep; which one publishes it again?")
        self.facts.append(fact)
        self._depth += 1
        try:
            for react in self._bus.reactions(fact.type):
                react(self, fact)
        finally:
            self._depth -= 1

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens inside is undone when it raises, facts included; the rest of the unit stays."""
        published = len(self.facts)
        try:
            with self.conn.begin_nested():
                yield
        except BaseException:
            del self.facts[published:]
            raise
