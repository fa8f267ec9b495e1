"""What the screen shows now: one view, who may change it, and when it goes back home by itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from device_profiles.capabilities.screen import Bilingual, Option
from edge_agent.ports import Clock

SESSION_IDLE_S = 300.0  # a journey that nobody continues must not hold the machine
READ_S = 8.0  # how long the last message of a journey stands


class ViewKind(StrEnum):
    """What stands on the screen."""

    IDLE = "idle"
    READING_CARD = "reading_card"
    MESSAGE = "message"
    QUESTION = "question"
    OUT_OF_SERVICE = "out_of_service"  # a technician has the machine, or is about to


TRANSITIONS: Mapping[ViewKind, frozenset[ViewKind]] = {
    ViewKind.IDLE: frozenset({ViewKind.READING_CARD, ViewKind.MESSAGE, ViewKind.QUESTION, ViewKind.OUT_OF_SERVICE}),
    ViewKind.READING_CARD: frozenset({ViewKind.IDLE}),
    ViewKind.MESSAGE: frozenset({ViewKind.MESSAGE, ViewKind.QUESTION, ViewKind.IDLE}),
    ViewKind.QUESTION: frozenset({ViewKind.MESSAGE, ViewKind.QUESTION, ViewKind.IDLE}),
    ViewKind.OUT_OF_SERVICE: frozenset({ViewKind.IDLE}),
}


@dataclass(frozen=True, slots=True)
class View:
    """The content of the screen. ``session_id`` is empty outside a journey."""

    kind: ViewKind = ViewKind.IDLE
    session_id: str = ""
    message: Bilingual | None = None
    tone: str = ""
    options: tuple[Option, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The view as the pages get it."""
        found: dict[str, Any] = {"kind": self.kind}
        if self.session_id:
            found["session_id"] = self.session_id
        if self.message is not None:
            found["question" if self.kind is ViewKind.QUESTION else "message"] = self.message.model_dump()
        if self.tone:
            found["tone"] = self.tone
        if self.options:
            found["options"] = [option.model_dump() for option in self.options]
        return found


class Board:
    """Holds the view; ``revision`` rises with everything that the pages should fetch again."""

    def __init__(self, clock: Clock) -> None:
        self.view = View()
        self.revision = 1
        self._clock = clock
        self._expires_at: float | None = None
        self._changed = asyncio.Event()

    def show(self, view: View, *, for_s: float | None = None) -> bool:
        """Change the view; it goes home after ``for_s``. False when the table does not allow the step."""
        if view.kind not in TRANSITIONS[self.view.kind]:
            return False
        self.view = view
        self._expires_at = None if for_s is None else self._clock.monotonic() + for_s
        self.touch()
        return True

    def go_home(self) -> None:
        """Back to the choice of services, whatever stood there."""
        self.view = View()
        self._expires_at = None
        self.touch()

    def touch(self) -> None:
        """Something else that the pages show has changed: services, printer, link."""
        self.revision += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_beyond(self, revision: int) -> None:
        """Returns when there is something newer than ``revision``."""
        while self.revision <= revision:
            await self._changed.wait()

    async def run(self) -> None:
        """Sends an old view home, for ever."""
        while True:
            revision = self.revision
            try:
                async with self._clock.timeout(self._left_s()):
                    await self.wait_beyond(revision)
            except TimeoutError:
                if self._expires_at is not None and self._clock.monotonic() >= self._expires_at:
                    self.go_home()

    def _left_s(self) -> float:
        return SESSION_IDLE_S if self._expires_at is None else max(0.0, self._expires_at - self._clock.monotonic())
