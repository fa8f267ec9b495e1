"""Updates while the agent runs: a slot lends its port, when no citizen is at the machine."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from device_profiles.errors import ConfigurationError
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.errors import AgentError
from edge_agent.lease import Lease
from edge_agent.updates.line import FollowedLine
from edge_agent.updates.service import SlotUpdate, UpdateParts
from firmware_bridge.errors import BridgeError
from firmware_bridge.transports import Transport
from firmware_bridge.update.ports import Record
from firmware_bridge.update.procedure import Release

RECOVERY_WAIT_S = 3600.0  # a device without its firmware serves nobody; who is there finishes first
_log = logging.getLogger(__name__)


class Lender(Protocol):
    """A slot that can lend its port (``slots.runner.SlotRunner``)."""

    @property
    def name(self) -> str: ...

    @property
    def profile(self) -> PeripheralProfile: ...

    @property
    def port(self) -> str: ...

    async def settled(self) -> None: ...

    async def lend(self, work: Callable[[], Awaitable[Record]]) -> Record: ...


class MachineUpdates:
    """``find`` makes the transport to an address; ``lease`` says whether a citizen is in the middle of something."""

    def __init__(
        self,
        slots: Mapping[str, Lender],
        parts: UpdateParts,
        find: Callable[[PeripheralProfile, str], Transport],
        lease: Lease,
    ) -> None:
        self._slots = slots
        self._parts = parts
        self._find = find
        self._lease = lease
        self._one = asyncio.Lock()

    async def update(self, slot: str, release: Release, wait_s: float = 0.0) -> Record:
        """Update one slot, one at a time on a machine. The slot's running command ends first; others are refused.

        Raises MachineBusy when a citizen is still served after ``wait_s``, SlotNotReady when no device is there, and
        what ``SlotUpdate.run`` raises. The device is identified again afterwards, whatever came of it.
        """
        lender = self._slots[slot]
        line = FollowedLine(lambda: self._find(lender.profile, lender.port))
        async with self._one, self._lease.disrupting(f"update of {slot}", wait_s):
            return await lender.lend(lambda: SlotUpdate(slot, lender.profile, self._parts).run(release, line))

    async def recover(self) -> None:
        """Go on with the updates that the last run of the agent did not see the end of."""
        for slot, lender in self._slots.items():
            if lender.profile.update is None:
                continue
            try:
                await self._go_on(slot, lender)
            except (AgentError, BridgeError, ConfigurationError) as error:
                _log.error("slot %s: its update waits for the next start: %s", slot, error)

    async def _go_on(self, slot: str, lender: Lender) -> None:
        release = await SlotUpdate(slot, lender.profile, self._parts).unfinished()
        if release is None:
            return
        await lender.settled()
        _log.warning("slot %s: an update of its firmware was cut short; going on with it", slot)
        await self.update(slot, release, RECOVERY_WAIT_S)
