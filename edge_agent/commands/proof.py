"""A slot in whose line nothing moves while the outcome of an earlier command is in doubt.

Everybody who moves something (commands of the cloud, local flows) goes through here: before it, the doubts of the slot
are judged by what the device shows. Otherwise the next print would count as the proof of the last one.
"""

import asyncio
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.evidence import Evidence, Record, Verdict
from device_profiles.capabilities.model import Effect, Shape, Status
from edge_agent.commands.doubts import Doubt
from edge_agent.commands.journal import Journal
from edge_agent.errors import SlotNotReady
from edge_agent.ports import BeforeEffect, Clock, SlotView
from firmware_bridge.errors import BridgeError

LOOKS = 4  # at a device that cannot tell yet; after that a person has to look
PACE_S = 1.0
LOOK_S = 10.0
NOTHING: Mapping[str, Any] = MappingProxyType({})
_log = logging.getLogger(__name__)


class ProvenSlot:
    """See ``ports.SlotView``; wraps the slot called ``name``."""

    def __init__(self, name: str, slot: SlotView, journal: Journal, clock: Clock) -> None:
        self.name = name
        self._slot = slot
        self._journal = journal
        self._clock = clock
        self._turn = asyncio.Lock()
        self._doubtful = True  # an earlier run of the agent may have left something

    @property
    def capability(self) -> str:
        return self._slot.capability

    @property
    def ready(self) -> bool:
        return self._slot.ready

    @property
    def status(self) -> Status:
        return self._slot.status

    async def settled(self) -> None:
        await self._slot.settled()

    async def look(self, evidence: Evidence) -> Mapping[str, Any]:
        return await self._slot.look(evidence)

    async def execute(
        self, name: str, args: Shape, *, run_for_s: float, before_effect: BeforeEffect | None = None
    ) -> Shape:
        if CAPABILITIES[self.capability].commands[name].effect is Effect.READ:
            return await self._slot.execute(name, args, run_for_s=run_for_s, before_effect=before_effect)
        async with self._turn:
            await self._judge_all(last_chance=True)
            try:
                return await self._slot.execute(name, args, run_for_s=run_for_s, before_effect=before_effect)
            except BaseException:  # whatever it was, a cancellation too: the journal knows whether it left a doubt
                self._doubtful = True
                raise

    async def judge(self) -> None:
        """Judge what can be judged now, as soon as the device is there; nothing else moves meanwhile."""
        await self._slot.settled()
        async with self._turn:
            await self._judge_all(last_chance=False)

    async def _judge_all(self, *, last_chance: bool) -> None:
        """``last_chance``: something is about to move, and what cannot be told now can never be told."""
        if not self._doubtful:
            return
        doubts = [doubt for doubt in await self._journal.doubts(self.name) if doubt.verdict is Verdict.OPEN]
        for doubt in doubts:
            if not await self._judge(doubt, last_chance):
                return
        self._doubtful = False

    async def _judge(self, doubt: Doubt, last_chance: bool) -> bool:
        """False when the device cannot tell now, and nothing else can move."""
        evidence = CAPABILITIES[self.capability].commands[doubt.name].evidence
        verdict, seen = Verdict.LOST, NOTHING
        try:
            if evidence is not None:
                verdict, seen = await self._verdict(doubt, evidence)
        except (SlotNotReady, BridgeError, TimeoutError) as error:
            _log.info("command %s: its evidence waits: %s", doubt.command_id, error)
            return False
        if verdict is Verdict.OPEN and not last_chance:
            return False
        verdict = Verdict.LOST if verdict is Verdict.OPEN else verdict
        await self._journal.judge(doubt.command_id, verdict, seen if isinstance(evidence, Record) else {})
        return True

    async def _verdict(self, doubt: Doubt, evidence: Evidence) -> tuple[Verdict, Mapping[str, Any]]:
        sure = evidence.quiet_s == 0
        for left in reversed(range(LOOKS)):
            async with self._clock.timeout(LOOK_S):
                seen = await self._slot.look(evidence)
            verdict = evidence.judge(doubt.before, seen)
            if verdict in (Verdict.DONE, Verdict.LOST) or (verdict is Verdict.NOT_DONE and sure):
                return verdict, seen
            if left:
                sure = sure or verdict is Verdict.NOT_DONE
                await self._clock.sleep(evidence.quiet_s if verdict is Verdict.NOT_DONE else PACE_S)
        return Verdict.OPEN, NOTHING
