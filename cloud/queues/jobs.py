"""Turns the calendar: starts the new day of a hall soon after its midnight."""

import asyncio

from cloud.queues.service import QueueService
from cloud.storage.unit_of_work import Database

LOOK_EVERY_S = 15.0


class DayTimer:
    """Looks at the calendar a few times a minute: a wall clock can be set, so one long sleep would miss it."""

    def __init__(self, db: Database, service: QueueService) -> None:
        self._db = db
        self._service = service

    async def run(self) -> None:
        """Turn the calendar until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._db.write(self._service.days.roll)
