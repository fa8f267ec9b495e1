"""Looks at the halls every few minutes."""

import asyncio

from cloud.dispatch.service import DispatchService
from cloud.storage.unit_of_work import Database


class DispatchTimer:
    """Looks every ``every_s`` seconds."""

    def __init__(self, db: Database, service: DispatchService, every_s: float) -> None:
        self._db = db
        self._service = service
        self._every_s = every_s

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._db.write(self._service.look_everywhere)
            await asyncio.sleep(self._every_s)
