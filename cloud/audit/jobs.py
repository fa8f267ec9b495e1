"""The clockwork: once a day a head is anchored; soon after a rotation, machines hear of it."""

import asyncio
import logging
from collections.abc import Callable
from datetime import date

from cloud.audit.service import AuditService
from cloud.core.clock import Clock
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database

log = logging.getLogger(__name__)

LOOK_S = 300.0
KEYS_LOOK_S = 5.0


class AnchorTimer:
    """Anchors the head at its start and on every new day (UTC)."""

    def __init__(self, db: Database, audit: AuditService, clock: Clock) -> None:
        self._db = db
        self._audit = audit
        self._clock = clock
        self._done: date | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """The day's work, once a day."""
        today = self._clock.now().date()
        if today == self._done:
            return
        await self.anchor()
        self._done = today

    async def anchor(self) -> None:
        """Keep the present head apart from the database."""
        head = await self._db.read(self._audit.head)
        await asyncio.to_thread(self._audit.anchor, head)


class KeyTimer:
    """Looks whether somebody rotated the keys. ``changed`` tells it once; ``tell`` tells the machines; ``reseal`` seals
    a portion anew and returns how many that were.
    """

    def __init__(
        self, db: Database, changed: Callable[[], bool], tell: Callable[[Tx], object], reseal: Callable[[Tx], int]
    ) -> None:
        self._db = db
        self._changed = changed
        self._tell = tell
        self._reseal = reseal

    async def run(self) -> None:
        """Look until cancelled; at the start, too, seal anew what a stop has left."""
        await self.seal_anew()
        while True:
            await asyncio.sleep(KEYS_LOOK_S)
            await self.look()

    async def look(self) -> bool:
        """Follow a rotation; False when there was none."""
        if not await asyncio.to_thread(self._changed):
            return False
        await self._db.write(self._tell)
        await self.seal_anew()
        return True

    async def seal_anew(self) -> None:
        """Until nothing is sealed to an old key."""
        while await self._db.write(self._reseal):
            log.info("keys: a portion was sealed anew to the current key")
