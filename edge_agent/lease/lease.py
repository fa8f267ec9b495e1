"""The citizen-session lease: citizens share it, a disruptive act has it alone, and nobody is thrown out unasked.

    citizen begins -> (durable) -> served -> gone
    act asks -> the citizens that are there finish, new ones are refused -> the act has it -> ends

Beginnings are durable with a clock. What an earlier run of the agent held ends by that clock, and by nothing else: a
crash in the middle of a case leaves a citizen's card in the machine, and an act must not come upon it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from edge_agent.errors import MachineBusy
from edge_agent.lease.states import LeaseState, LeaseStep, after, allowed
from edge_agent.ports import Clock, Remembered

LONGEST_S = 3600.0  # a clock that was set back must not make an old entry live longer than this
_NAME = "lease"
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Citizen:
    until: datetime
    live: bool = True  # begun in this run of the agent: its end will be told
    count: int = 1


class Hold:
    """One act's claim. ``shared``: it works under the technician's claim, which stays when it ends."""

    def __init__(self, lease: "Lease", what: str, *, shared: bool = False, shares: bool = False) -> None:
        self._lease = lease
        self.what = what
        self.shared = shared
        self.shares = shares
        self.obtained = asyncio.Event()

    def force(self) -> None:
        """Have it now, whoever is there; the caller answers for it."""
        self._lease.force(self)

    def release(self) -> None:
        """Give it back, or stop waiting for it; twice is allowed."""
        self._lease.release(self)


class Lease:
    """``open`` first. ``state`` is what the table says."""

    def __init__(self, remembered: Remembered, clock: Clock) -> None:
        self._remembered = remembered
        self._clock = clock
        self.state = LeaseState.FREE
        self._citizens: dict[str, _Citizen] = {}
        self._hold: Hold | None = None
        self._turn = asyncio.Lock()  # one act at a time, in the order asked
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Take up what an earlier run left behind."""
        now = self._clock.now()
        for citizen, text in (await self._remembered.get(_NAME) or {}).items():
            until = min(datetime.fromisoformat(text), now + timedelta(seconds=LONGEST_S))
            if until > now:
                _log.warning("lease: %s was at the machine when the agent ended; kept until %s", citizen, until)
                self._citizens[citizen] = _Citizen(until, live=False)
        if self._citizens:
            self._step(LeaseStep.BEGAN)

    async def run(self) -> None:
        """End by their clock what nobody else will end, for ever."""
        while True:
            changed = self._changed
            self._expire()
            ends = [citizen.until for citizen in self._citizens.values() if not citizen.live]
            left_s = min(((end - self._clock.now()).total_seconds() for end in ends), default=LONGEST_S)
            try:
                async with self._clock.timeout(max(0.01, left_s)):
                    await changed.wait()
            except TimeoutError:
                continue

    @property
    def serving(self) -> frozenset[str]:
        """Who is being served."""
        return frozenset(self._citizens)

    @property
    def disruption(self) -> str:
        """What holds the machine or waits for it; empty when nothing does."""
        return "" if self._hold is None else self._hold.what

    async def wait_beyond(self, seen: LeaseState) -> None:
        """Returns when the state is another one than ``seen``."""
        while self.state is seen:
            await self._changed.wait()

    # -- citizens

    async def begin(self, citizen: str, for_s: float, *, joins: bool = False) -> None:
        """Somebody is served for at most ``for_s`` if the agent does not live to see the end. Raises MachineBusy.

        ``joins``: it is more of what is being done already, or the machine's part of a case: only an act that has the
        machine refuses it.
        """
        step = LeaseStep.JOINED if joins else LeaseStep.BEGAN
        if not allowed(self.state, step):
            raise MachineBusy(f"the machine is not for citizens now: {self.disruption}", "out_of_service")
        until = self._clock.now() + timedelta(seconds=for_s)
        known = self._citizens.get(citizen)
        covered = any(other.live and other.until >= until for other in self._citizens.values())
        self._step(step)
        if known is None or not known.live:
            self._citizens[citizen] = _Citizen(until)
        else:
            known.until, known.count = max(known.until, until), known.count + 1
        if not covered:
            await self._keep()

    def end(self, citizen: str) -> None:
        """Gone; the disk learns of it at the next beginning, or by the clock."""
        known = self._citizens.get(citizen)
        if known is None:
            return
        known.count -= 1
        if known.count <= 0:
            del self._citizens[citizen]
            self._gone()

    @asynccontextmanager
    async def citizen(self, citizen: str, for_s: float, *, joins: bool = False) -> AsyncIterator[None]:
        """Somebody is served for as long as the block lasts. Raises MachineBusy."""
        await self.begin(citizen, for_s, joins=joins)
        try:
            yield
        finally:
            self.end(citizen)

    # -- acts that disturb

    async def ask(self, what: str, *, shares: bool = False) -> Hold:
        """Ask for the machine; from now on nobody new may begin. Returns when it is this act's turn to wait.

        ``shares``: a technician's claim, under which other acts may work.
        """
        if self._hold is not None and self._hold.shares and self.state is LeaseState.DISRUPTED:
            hold = Hold(self, what, shared=True)
            hold.obtained.set()
            return hold
        await self._turn.acquire()
        hold = self._hold = Hold(self, what, shares=shares)
        self._expire()
        self._step(LeaseStep.ASKED)
        self._grant()
        return hold

    @asynccontextmanager
    async def disrupting(self, what: str, wait_s: float) -> AsyncIterator[None]:
        """Have the machine alone for as long as the block lasts. Raises MachineBusy when it does not become free."""
        hold: Hold | None = None
        try:
            async with self._clock.timeout(max(0.0, wait_s)):
                hold = await self.ask(what)
                await hold.obtained.wait()
        except TimeoutError:
            busy = self._busy(what, hold)
            if hold is not None:
                hold.release()
            raise busy from None
        except BaseException:
            if hold is not None:
                hold.release()
            raise
        try:
            yield
        finally:
            hold.release()

    def force(self, hold: Hold) -> None:
        """See ``Hold.force``."""
        if hold is self._hold and self.state is LeaseState.DRAINING:
            _log.warning("lease: %s does not wait for %s", hold.what, ", ".join(self._citizens))
            self._citizens.clear()
            self._step(LeaseStep.FORCED)
            self._grant()

    def release(self, hold: Hold) -> None:
        """See ``Hold.release``."""
        if hold is not self._hold:
            return
        self._hold = None
        self._step(LeaseStep.ENDED if self.state is LeaseState.DISRUPTED else LeaseStep.GIVEN_UP)
        self._turn.release()

    # -- inside

    def _busy(self, what: str, hold: Hold | None) -> MachineBusy:
        if self._citizens:
            return MachineBusy(f"{what}: a citizen is served at the machine; try later", "busy_with_citizen")
        other = self.disruption if hold is None else "it"
        return MachineBusy(f"{what}: the machine is busy with {other or 'other work'}; try later", "busy_with_work")

    def _expire(self) -> None:
        now = self._clock.now()
        over = [name for name, citizen in self._citizens.items() if not citizen.live and citizen.until <= now]
        for name in over:
            del self._citizens[name]
        if over:
            self._gone()

    def _gone(self) -> None:
        if not self._citizens and allowed(self.state, LeaseStep.GONE):
            self._step(LeaseStep.GONE)
            self._grant()

    def _grant(self) -> None:
        if self._hold is not None and self.state is LeaseState.DISRUPTED:
            self._hold.obtained.set()

    def _step(self, step: LeaseStep) -> None:
        self.state = after(self.state, step)
        self._changed.set()
        self._changed = asyncio.Event()

    async def _keep(self) -> None:
        kept = {name: citizen.until.isoformat() for name, citizen in self._citizens.items()}
        await self._remembered.put(_NAME, kept)
