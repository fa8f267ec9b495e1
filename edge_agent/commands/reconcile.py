"""Settles the unknown outcomes of one slot: looks as soon as the device is there, and tells what the evidence says."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import ValidationError

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.evidence import Verdict, witness
from device_profiles.capabilities.model import Shape
from edge_agent.commands.doubts import Doubt
from edge_agent.commands.journal import Journal
from edge_agent.commands.proof import ProvenSlot
from edge_agent.ports import Clock

RETRY_S = 5.0


@dataclass(frozen=True, slots=True)
class Found:
    """A doubt that was judged. ``output``: the device's own record of the effect, when it keeps one."""

    doubt: Doubt
    evidence: str
    output: Shape | None


Tell = Callable[[str, Found], Awaitable[None]]


class Reconciler:
    """``wake`` when an outcome was told as unknown; ``run`` for ever, beginning with what an earlier run left."""

    def __init__(self, slot: ProvenSlot, journal: Journal, tell: Tell, clock: Clock) -> None:
        self._slot = slot
        self._journal = journal
        self._tell = tell
        self._clock = clock
        self._woken = asyncio.Event()
        self._woken.set()

    def wake(self) -> None:
        """Something is in doubt."""
        self._woken.set()

    async def run(self) -> None:
        """Judge and tell."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while await self._in_doubt():
                await self._slot.judge()
                if await self._tell_judged():
                    await self._clock.sleep(RETRY_S)

    async def _in_doubt(self) -> list[Doubt]:
        """Those whose outcome was told; a command that still runs is nobody's doubt."""
        doubts = await self._journal.doubts(self._slot.name)
        entries = [await self._journal.find(doubt.command_id) for doubt in doubts]
        return [doubt for doubt, entry in zip(doubts, entries, strict=True) if entry is not None and entry.reported]

    async def _tell_judged(self) -> bool:
        """True when some have to be looked at again later."""
        left = False
        for doubt in await self._in_doubt():
            if doubt.verdict is Verdict.OPEN:
                left = True
            else:
                await self._tell(self._slot.name, self._found(doubt))
        return left

    def _found(self, doubt: Doubt) -> Found:
        command = CAPABILITIES[self._slot.capability].commands[doubt.name]
        output = None
        if doubt.verdict is Verdict.DONE and doubt.shown:
            try:
                output = command.output.model_validate(doubt.shown)
            except ValidationError:
                output = None  # an older agent kept another shape; the outcome is known all the same
        return Found(doubt, witness(command.evidence), output)
