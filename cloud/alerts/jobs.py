"""Alerts that time opens or wakes."""

import asyncio

from cloud.alerts.service import AlertService
from cloud.storage.unit_of_work import Database


class AlertTimer:
    """Looks at the clock every few seconds."""

    def __init__(self, db: Database, service: AlertService, every_s: float = 2.0) -> None:
        self._db = db
        self._service = service
        self._every_s = every_s

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._db.write(self._service.look_at_clock)
            await asyncio.sleep(self._every_s)
