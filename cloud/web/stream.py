"""What has changed in which hall: a revision per hall, and one bounded memory per listener.

A listener holds no queue of events but the set of parts that changed since it last looked, so a slow browser costs
at most one entry per part and never misses a change.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import contextmanager

from cloud.core.facts import Fact

PARTS = ("queue", "counters", "machines", "alerts", "proposals", "tickets")
BEAT_S = 10.0
"""A browser that hears nothing for two and a half beats knows that the line is dead."""

GATHER_S = 0.2
"""Changes this close together become one event: a busy hall redraws five times a second at most."""

LONGEST_ID = 18

_PARTS_OF = {
    "ticket": ("queue", "counters", "machines", "tickets"),
    "counter": ("queue", "counters", "machines", "tickets"),
    "alert": ("alerts", "machines"),
    "proposal": ("proposals",),
    "dispatch": ("proposals",),
}


def parts_of(fact: Fact) -> tuple[str, ...]:
    """The parts of the pages that a fact changes; whatever a machine says may change how it stands."""
    return _PARTS_OF.get(fact.type.partition(".")[0], ("machines",) if fact.machine else ())


class _Listener:
    def __init__(self, halls: frozenset[str], only: frozenset[str]) -> None:
        self.halls = halls
        self._only = only
        self.changed: set[str] = set()
        self.news = asyncio.Event()

    def tell(self, parts: Collection[str]) -> None:
        if wanted := self._only.intersection(parts):
            self.changed.update(wanted)
            self.news.set()

    def take(self) -> list[str]:
        self.news.clear()
        parts = sorted(self.changed)
        self.changed.clear()
        return parts


class LiveStream:
    """Hears of facts after their commit and tells the listeners of that hall which parts to look at again.

    Revisions rise by one with each change. They begin at the time of the process' start in milliseconds, so that
    a number from before a restart is always an old one.
    """

    def __init__(self, halls: Sequence[str], beat_s: float = BEAT_S, gather_s: float = GATHER_S) -> None:
        self._birth = time.time_ns() // 1_000_000
        self._latest = {hall: {part: self._birth for part in PARTS} for hall in halls}
        self._listeners: set[_Listener] = set()
        self._beat_s = beat_s
        self._gather_s = gather_s
        self._closed = False

    def revision(self, hall: str) -> int:
        """The newest revision of a hall."""
        return max(self._latest[hall].values())

    def hear(self, facts: Sequence[Fact]) -> None:
        """A listener of ``Bus.after_commit``."""
        changed: dict[str, set[str]] = {}
        for fact in facts:
            changed.setdefault(fact.hall, set()).update(parts_of(fact))
        for hall, parts in changed.items():
            if hall in self._latest and parts:
                self._note(hall, parts)

    def close(self) -> None:
        """End every stream: the process is about to stop."""
        self._closed = True
        for listener in self._listeners:
            listener.news.set()

    async def events(
        self, halls: Collection[str], last_event_id: str = "", only: Collection[str] = PARTS
    ) -> AsyncGenerator[str, None]:
        """Server-sent events: ``changed`` with the names of the parts, ``beat`` when there is nothing to tell.

        A reader that says which revision it saw last hears at once what has changed since; one that comes from
        before this process' start hears of every part.
        """
        with self._listening(_Listener(frozenset(halls), frozenset(only))) as listener:
            listener.tell(self._since(halls, last_event_id))
            yield "retry: 1000\n\n"
            while not self._closed:
                if await self._news(listener) and (parts := listener.take()):
                    newest = max(self.revision(hall) for hall in halls)
                    yield f"event: changed\nid: {newest}\ndata: {' '.join(parts)}\n\n"
                else:
                    yield "event: beat\ndata:\n\n"

    def _note(self, hall: str, parts: Collection[str]) -> None:
        revision = self.revision(hall) + 1
        self._latest[hall].update(dict.fromkeys(parts, revision))
        for listener in self._listeners:
            if hall in listener.halls:
                listener.tell(parts)

    def _since(self, halls: Collection[str], last_event_id: str) -> set[str]:
        if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) <= LONGEST_ID):
            return set()
        seen = int(last_event_id)
        if seen < self._birth:
            return set(PARTS)
        return {part for hall in halls for part, revision in self._latest[hall].items() if revision > seen}

    @contextmanager
    def _listening(self, listener: _Listener) -> Iterator[_Listener]:
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _news(self, listener: _Listener) -> bool:
        try:
            async with asyncio.timeout(self._beat_s):
                await listener.news.wait()
        except TimeoutError:
            return False
        if not self._closed:
            await asyncio.sleep(self._gather_s)
        return True
