"""Vendor mode in two phases: first nobody new is served (drain), then the slots are a technician's (maintain).

It ends by command, by the twin, or by its clock; a restart of the agent in the middle goes on with it until then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from device_profiles.capabilities.agent import LONGEST_VENDOR_S
from device_profiles.messages.facts import VendorModeChanged
from device_profiles.messages.twin import VendorWish
from edge_agent.errors import MachineBusy, OutboxFull, SlotNotReady
from edge_agent.lease import Hold, Lease
from edge_agent.ports import Clock, Outbox, Remembered
from edge_agent.vendor.states import VendorState, VendorStep, after

WHAT = "vendor mode"
LOOK_S = 1.0
FACT = "agent.vendor_mode_changed"
_NAME = "vendor"
_log = logging.getLogger(__name__)


class Lender(Protocol):
    """A slot that can lend its port (``slots.runner.SlotRunner``)."""

    @property
    def name(self) -> str: ...

    async def lend(self, work: Callable[[], Awaitable[None]], reason: str = "updating") -> None: ...


class VendorMode:
    """``open``, then ``run``; ``changed`` is called whenever ``state`` is another one."""

    def __init__(
        self,
        lease: Lease,
        slots: Sequence[Lender],
        outbox: Outbox,
        remembered: Remembered,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._lease = lease
        self._slots = slots
        self._outbox = outbox
        self._remembered = remembered
        self._clock = clock
        self._changed = changed
        self._turn = asyncio.Lock()
        self._hold: Hold | None = None
        self._moved = asyncio.Event()
        self._stepped = asyncio.Event()
        self.state = VendorState.OFF
        self.until: datetime | None = None
        self.decided_at = ""

    async def open(self) -> None:
        """Take up what an earlier run was in; nobody can be at the machine who began after that."""
        kept: dict[str, Any] = await self._remembered.get(_NAME) or {}
        self.decided_at = kept.get("decided_at", "")
        if kept.get("until") is None:
            return
        now = self._clock.now()
        self.until = min(datetime.fromisoformat(kept["until"]), now + timedelta(seconds=LONGEST_VENDOR_S))
        if self.until <= now:
            await self._end(VendorStep.EXPIRED)
            return
        await self._ask()
        if kept["state"] != VendorState.DRAINING and self._hold is not None:
            self._hold.force()
            await self._empty()
        if kept["state"] == VendorState.MAINTAINING:
            await self._step(VendorStep.MAINTAIN)

    async def drain(self, for_s: float) -> None:
        """Serve nobody new for at most ``for_s`` from now; asked again, only the time is new. Raises MachineBusy."""
        async with self._turn:
            self.until = self._clock.now() + timedelta(seconds=for_s)
            if self.state is VendorState.OFF:
                try:
                    async with self._clock.timeout(LOOK_S):
                        await self._ask()
                except TimeoutError:
                    self.until = None
                    raise MachineBusy(
                        f"{WHAT}: the machine is busy with {self._lease.disruption}", "busy_with_work"
                    ) from None
            await self._keep()
            self._moved.set()

    async def maintain(self, for_s: float, wait_s: float, *, force: bool = False) -> None:
        """Release the slots, as soon as nobody is served any more. Raises MachineBusy after ``wait_s``.

        A machine that did not become free keeps draining when it was, and goes back to service when it was not.
        """
        was_off = self.state is VendorState.OFF
        await self.drain(for_s)
        hold = self._hold
        if hold is not None and force:
            hold.force()
        try:
            async with self._clock.timeout(wait_s):
                if hold is not None:
                    await hold.obtained.wait()
        except TimeoutError:
            if was_off:
                await self.end()
            raise MachineBusy(f"{WHAT}: a citizen is served at the machine; try later, or drain first") from None
        async with self._turn:
            await self._empty()
            if self.state is VendorState.DRAINED:
                await self._step(VendorStep.MAINTAIN)

    async def end(self) -> None:
        """Back to service; nothing happens when it is."""
        async with self._turn:
            await self._end(VendorStep.END)

    async def follow(self, wish: VendorWish | None) -> None:
        """What the twin wants, if it was decided later than what was decided here. Newest wins."""
        if wish is None or wish.at.isoformat() <= self.decided_at:
            return
        left_s = wish.for_s - (self._clock.now() - wish.at).total_seconds()
        self.decided_at = wish.at.isoformat()
        if wish.phase == "end" or left_s <= 0:
            await self.end()
        elif wish.phase == "drain":
            await self.drain(left_s)
        else:
            await self.maintain(left_s, left_s)
        await self._keep()

    def decided_here(self) -> None:
        """A command, or a technician at the machine, has decided now: older wishes of the twin are over."""
        self.decided_at = self._clock.now().isoformat()

    async def run(self) -> None:
        """Follow the lease and the clock, and keep slots lent while a technician has them; for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_clock())
            for slot in self._slots:
                group.create_task(self._release(slot))

    # -- inside

    async def _follow_clock(self) -> None:
        while True:
            self._moved.clear()
            left_s = LONGEST_VENDOR_S
            if self.until is not None:
                left_s = max(0.0, (self.until - self._clock.now()).total_seconds())
            try:
                async with self._clock.timeout(left_s):
                    await self._next_event()
            except TimeoutError:
                async with self._turn:
                    if self.until is not None and self.until <= self._clock.now():
                        await self._end(VendorStep.EXPIRED)
            else:
                async with self._turn:
                    await self._empty()

    async def _next_event(self) -> None:
        waits = [asyncio.ensure_future(self._moved.wait())]
        if self.state is VendorState.DRAINING and self._hold is not None:
            waits.append(asyncio.ensure_future(self._hold.obtained.wait()))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _release(self, slot: Lender) -> None:
        """Lend the slot's port to the technician; a device that is unplugged meanwhile stays released when it comes."""
        while True:
            await self._until(lambda: self.state is VendorState.MAINTAINING)
            try:
                await slot.lend(lambda: self._until(lambda: self.state is not VendorState.MAINTAINING), "vendor_mode")
            except SlotNotReady:
                await self._clock.sleep(LOOK_S)

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            moved = self._stepped
            await moved.wait()

    async def _ask(self) -> None:
        self._hold = await self._lease.ask(WHAT, shares=True)
        await self._step(VendorStep.DRAIN)
        await self._empty()

    async def _empty(self) -> None:
        if self.state is VendorState.DRAINING and self._hold is not None and self._hold.obtained.is_set():
            await self._step(VendorStep.EMPTIED)

    async def _end(self, step: VendorStep) -> None:
        self.until = None
        if self.state is not VendorState.OFF:
            await self._step(step)
        if self._hold is not None:
            self._hold.release()
            self._hold = None
        await self._keep()
        self._moved.set()

    async def _step(self, step: VendorStep) -> None:
        self.state = after(self.state, step)
        _log.warning("vendor mode: %s (%s)", self.state, step)
        await self._keep()
        stepped, self._stepped = self._stepped, asyncio.Event()
        stepped.set()
        self._moved.set()
        self._changed()
        body = VendorModeChanged(state=self.state, by=step, until=self.until)
        try:
            data = body.model_dump(mode="json", exclude_none=True)
            await self._outbox.append("agent", FACT, data, self._clock.now())
        except OutboxFull as error:
            _log.error("vendor mode: %s is not told: %s", self.state, error)

    async def _keep(self) -> None:
        until = None if self.until is None else self.until.isoformat()
        await self._remembered.put(_NAME, {"state": self.state, "until": until, "decided_at": self.decided_at})
