"""The line to a device that restarts: opened again, it is looked for at its new name."""

import asyncio
from collections.abc import Callable

from firmware_bridge.transports import Transport


class FollowedLine:
    """A Transport made anew at each ``open`` by ``find``: a USB device that restarts may come back as ttyUSB3."""

    def __init__(self, find: Callable[[], Transport]) -> None:
        self._find = find
        self._line = find()

    @property
    def turn(self) -> asyncio.Lock:
        return self._line.turn

    async def open(self) -> None:
        await self._line.close()
        self._line = self._find()
        await self._line.open()

    async def write(self, data: bytes) -> None:
        await self._line.write(data)

    async def read(self) -> bytes:
        return await self._line.read()

    def discard_input(self) -> int:
        return self._line.discard_input()

    async def close(self) -> None:
        await self._line.close()
