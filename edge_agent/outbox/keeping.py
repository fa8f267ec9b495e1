"""Telemetry that waits gives way by age and while the disk runs full; by bytes the outbox sees to itself.

Age is counted in hours that the agent ran, never by the time of day: a clock that jumps a year drops nothing, and a
machine that was switched off over a holiday still has what it had.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.outbox.rules import DROP_CHUNK
from edge_agent.ports import Clock, Outbox, Remembered

LOOK_S: Final = 30.0
MARK_S: Final = 600.0  # so long may a row live beyond its age
TOO_OLD: Final = "waited too long"
DISK_LOW: Final = "disk nearly full"
MARKS: Final = "telemetry_marks"
_log = logging.getLogger(__name__)


def free_mib(folder: Path) -> float:
    """What is free on the disk under ``folder``."""
    return shutil.disk_usage(folder).free / (1 << 20)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long telemetry may wait, and how much of the disk must stay free (0: any)."""

    keep_h: float
    floor_mib: int


class TelemetryKeeper:
    """``run`` for ever. ``free`` tells the free MiB of the outbox's disk."""

    def __init__(
        self, outbox: Outbox, remembered: Remembered, limits: Limits, free: Callable[[], float], clock: Clock
    ) -> None:
        self._outbox = outbox
        self._remembered = remembered
        self._limits = limits
        self._free = free
        self._clock = clock

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        marked = self._clock.monotonic()
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look_at_disk()
            if self._clock.monotonic() - marked >= MARK_S:
                marked = self._clock.monotonic()
                await self.mark()

    async def look_at_disk(self) -> int:
        """Below the floor: keep only the newest rows. Returns how many were given up."""
        if self._free() >= self._limits.floor_mib:
            return 0
        return await self._give_up(self._outbox.last_sequence, DROP_CHUNK, DISK_LOW)

    async def mark(self) -> int:
        """Remember which sequence is the last of this piece of time, and give up what is older than all of them."""
        found = await self._remembered.get(MARKS) or {}
        marks = list(found["sequences"]) if found.get("epoch") == self._outbox.epoch else []
        marks.append(self._outbox.last_sequence)
        kept = max(1, round(self._limits.keep_h * 3600 / MARK_S))
        too_old = marks[-kept - 1] if len(marks) > kept else 0
        await self._remembered.put(MARKS, {"epoch": self._outbox.epoch, "sequences": marks[-kept:]})
        return await self._give_up(too_old, 0, TOO_OLD)

    async def _give_up(self, through: int, keep: int, reason: str) -> int:
        total = 0
        while went := await self._outbox.give_up(through, keep=keep, reason=reason, at=self._clock.now()):
            total += went
        if total:
            _log.warning("telemetry: %d rows given up: %s", total, reason)
        return total
