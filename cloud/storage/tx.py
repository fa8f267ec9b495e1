"""One unit of work: a connection inside a transaction, and the facts that it published."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar, cast

import sqlalchemy as sa

from cloud.core.actors import SYSTEM, Actor
from cloud.core.bus import Bus
from cloud.core.errors import ReactionLoop
from cloud.core.facts import Fact

MAX_DEPTH = 12  # a fact causes a fact causes a fact: real chains have a handful of links


class Kept(Protocol):
    """Rows that a feature reads once and writes once per unit of work, however many facts touch them."""

    def flush(self) -> None:
        """Write what has changed since the last flush."""
        ...


K = TypeVar("K", bound=Kept)


class Tx:
    """One unit of work. ``conn`` is the connection; ``facts`` what was published so far, in order.

    ``careful`` is True when an earlier try of this batch failed: the work then runs inside a savepoint, and
    a unit that carries several independent things should put each of them into ``savepoint()``. ``actor`` is on whose
    behalf it works.
    """

    def __init__(self, conn: sa.Connection, bus: Bus["Tx"], careful: bool = False, actor: Actor = SYSTEM) -> None:
        self.conn = conn
        self.actor = actor
        self.careful = careful
        self.facts: list[Fact] = []
        self._bus = bus
        self._depth = 0
        self._kept: dict[str, Kept] = {}

    def keep(self, name: str, make: Callable[[], K]) -> K:
        """The rows kept under ``name`` in this unit, made at the first call. Who uses them reads and writes those
        rows in no other way; they are flushed at the end of the unit and before every savepoint.
        """
        if name not in self._kept:
            self._kept[name] = make()
        return cast(K, self._kept[name])

    def flush(self) -> None:
        """Write everything that is kept."""
        for kept in self._kept.values():
            kept.flush()

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
        self.flush()
        published = len(self.facts)
        try:
            with self.conn.begin_nested():
                yield
                self.flush()
        except BaseException:
            del self.facts[published:]
            self._kept.clear()  # what was kept may hold what is now undone; it is read again
            raise
