"""A clock that moves when told, a device without a wire, and an agent's parts put together for tests."""

import asyncio
import heapq
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Command, DeviceState, Event, Identity, Nothing, Shape, Status
from device_profiles.catalog import load_catalog
from device_profiles.messages.twin import DesiredAgent
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.commands import journal
from edge_agent.devices.places import FilePlace
from edge_agent.local_flows import book
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.storage import DurableFile, values
from edge_agent.timing import Backoff
from firmware_bridge.errors import TransportLost

START = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class VirtualClock:
    """See ``ports.Clock``. Time stands still until ``until`` finds nothing else to do."""

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        return START + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._at(seconds, lambda: None if woken.done() else woken.set_result(None))
        await woken

    @asynccontextmanager
    async def timeout(self, seconds: float) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        open_scopes = [scope := asyncio.timeout(None)]
        async with scope:
            self._at(seconds, lambda: open_scopes[0].reschedule(loop.time()) if open_scopes else None)
            try:
                yield
            finally:
                open_scopes.clear()

    def advance(self, seconds: float) -> None:
        """Let this much time pass at once."""
        end = self._elapsed + seconds
        while self._timers and self._timers[0][0] <= end:
            self._elapsed, _, fire = heapq.heappop(self._timers)
            fire()
        self._elapsed = end

    async def until(self, condition: Callable[[], bool], *, within_s: float = 120.0) -> None:
        """Run until ``condition`` holds, moving time only when nobody has anything to do."""
        limit = self._elapsed + within_s
        async with asyncio.timeout(10):
            while not condition():
                await settle()
                if not condition() and self._timers:
                    assert self._timers[0][0] <= limit, f"{condition} does not hold within {within_s} s"
                    self.advance(self._timers[0][0] - self._elapsed)

    def _at(self, seconds: float, fire: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._elapsed + max(0.0, seconds), next(self._order), fire))


async def settle() -> None:
    """Let tasks and writer threads do what they can do now."""
    for _ in range(30):
        await asyncio.sleep(0)
    await asyncio.sleep(0.002)  # a writer thread's commit


async def eventually(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait for a condition in real time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is in another process or thread
            await asyncio.sleep(0.005)


class FakeDriver:
    """A device that does what the test says. ``acts``: by command name, what happens when it is run."""

    def __init__(self, capability: str) -> None:
        self.capability = capability
        self.state: Status = CAPABILITIES[capability].status(device=DeviceState.ONLINE)
        self.acts: dict[str, Callable[[Shape], Awaitable[Shape]]] = {}
        self.executed: list[tuple[str, Shape]] = []
        self.events: list[Event] = []
        self.confirmed: list[Event] = []
        self.lost = False
        self.refuses: Exception | None = None
        self.opened = 0
        self.closed = 0

    async def connect(self, address: str = "") -> "FakeDriver":
        """What the runner calls to open the device."""
        self.opened += 1
        if self.lost:
            raise TransportLost("fake: unplugged")
        return self

    async def identify(self) -> Identity:
        self._check()
        return Identity(model=f"fake {self.capability}", serial_number="7", firmware="1.0")

    async def status(self) -> Status:
        self._check()
        return self.state

    async def execute(self, command: Command, args: Shape) -> Shape:
        self._check()
        self.executed.append((command.name, args))
        if act := self.acts.get(command.name):
            return await act(args)
        return Nothing()

    async def poll(self) -> list[Event]:
        self._check()
        return list(self.events)

    async def confirm(self, event: Event) -> None:
        self.confirmed.append(event)
        self.events = [held for held in self.events if held.device != event.device]  # a device knows no bodies

    def counters(self) -> dict[str, float]:
        return {"requests": float(len(self.executed))}

    async def close(self) -> None:
        self.closed += 1

    def _check(self) -> None:
        if self.refuses is not None:
            raise self.refuses
        if self.lost:
            raise TransportLost("fake: unplugged")


class Listener:
    """Remembers what a slot went through."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def slot_changed(self, slot: SlotRunner) -> None:
        if not self.states or self.states[-1] != slot.state:
            self.states.append(slot.state)


class FixedDesired:
    """A desired state that the test sets."""

    def __init__(self, agent: DesiredAgent | None = None) -> None:
        self.agent = agent or DesiredAgent()


class Kept:
    """See ``ports.Remembered``; outlives what a test calls a run of the agent."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def get(self, name: str) -> Any:
        return json.loads(self.values[name]) if name in self.values else None

    async def put(self, name: str, value: Any) -> None:
        self.values[name] = json.dumps(value)


def _taking_fakes(profile: PeripheralProfile) -> PeripheralProfile:
    """A fake says that it is one: a profile that asks for a model would refuse it."""
    return profile.model_copy(update={"match": profile.match.model_copy(update={"identify": ""})})


PROFILE_OF = {each.capability: _taking_fakes(each) for each in load_catalog().peripherals.values()}


def make_slot(driver: FakeDriver, port: Path, parts: SlotParts, name: str = "") -> SlotRunner:
    """A runner on a fake device; the port is a plain file that the test makes and removes."""
    profile = PROFILE_OF[driver.capability]
    backoff = Backoff(0.5, 30.0, draw=lambda: 1.0)
    return SlotRunner(name or driver.capability, profile, FilePlace(port), driver.connect, parts, backoff)


@asynccontextmanager
async def machine_file(folder: Path, now: datetime = START) -> AsyncIterator[DurableFile]:
    """The machine's own file, as the agent has it."""
    file = DurableFile(folder / "machine.db", values.SCHEMA + journal.SCHEMA + book.SCHEMA, room_mib=2)
    await file.open(now)
    try:
        yield file
    finally:
        await file.close()


@asynccontextmanager
async def running(*works: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Endless works in the background, ended with the block; a work that breaks fails the test."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    try:
        yield
        for task in tasks:
            if task.done():
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
