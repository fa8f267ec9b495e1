"""The people's clock: real time times a factor, which can be stopped."""

import asyncio


class Tempo:
    """``speed`` 10 lets ten seconds of the people's life pass in one. Devices and agents live in real time."""

    def __init__(self, speed: float = 1.0, paused: bool = False) -> None:
        self.speed = speed
        self._running = asyncio.Event()
        if not paused:
            self._running.set()

    @property
    def paused(self) -> bool:
        """Whether the people stand still."""
        return not self._running.is_set()

    def pause(self) -> None:
        """Everybody stops before the next thing he or she does."""
        self._running.clear()

    def resume(self) -> None:
        """Everybody goes on."""
        self._running.set()

    async def spend(self, seconds: float) -> None:
        """Let that much of the people's time pass; a pause makes it longer."""
        await self._running.wait()
        await asyncio.sleep(seconds / self.speed)
        await self._running.wait()
