"""The composition root: the one place that chooses adapters and connects the parts of an agent."""

import asyncio
import fcntl
import logging
import os
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from device_profiles.configuration import make_folder
from device_profiles.errors import ConfigurationError
from device_profiles.messages.facts import Sample, Samples
from device_profiles.messages.inventory import Inventory
from edge_agent import __version__
from edge_agent.addresses import UsbAddress
from edge_agent.commands import journal
from edge_agent.commands.execute import Executor
from edge_agent.commands.journal import Journal
from edge_agent.devices.choice import choose_source
from edge_agent.devices.matching import wants_of
from edge_agent.devices.places import Finder, subsystems_of
from edge_agent.errors import AgentError, OutboxFull
from edge_agent.local_flows import book
from edge_agent.local_flows.book import TicketBook
from edge_agent.local_flows.ticket import TicketDesk, TicketParts
from edge_agent.outbox.keeping import Limits, TelemetryKeeper, free_mib
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.plan import MachinePlan, Mounted, plan_machine
from edge_agent.ports import Clock, Lane, Place, SlotView
from edge_agent.screen.board import Board
from edge_agent.screen.desk import DeskParts, ScreenDesk
from edge_agent.screen.slot import ScreenSlot
from edge_agent.settings import EdgeSettings
from edge_agent.slots.inventory import slot_inventory
from edge_agent.slots.runner import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, SlotParts, SlotRunner
from edge_agent.storage import DurableFile, Values, values
from edge_agent.timing import Backoff, SystemClock
from edge_agent.twin import Desired, Reported
from edge_agent.uplink.address import address_of
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.sender import Pace
from edge_agent.uplink.session import CloudSession, SessionParts, presence_of
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports.shared import SharedLines

if TYPE_CHECKING:
    from edge_agent.updates.service import UpdateParts
    from firmware_bridge.update.ports import Record, Told
    from firmware_bridge.update.procedure import Release

OUTBOX_FILE = "outbox.db"
MACHINE_FILE = "machine.db"
FIRMWARE_FOLDER = "firmware"
MACHINE_SCHEMA = values.SCHEMA + journal.SCHEMA + book.SCHEMA
MACHINE_ROOM_MIB = 4
_log = logging.getLogger(__name__)


class Agent:
    """One machine's agent; ``run`` until ``stop`` is set."""

    def __init__(self, settings: EdgeSettings, plan: MachinePlan, outbox: SqliteOutbox, file: DurableFile) -> None:
        self._settings = settings
        self._plan = plan
        self._clock: Clock = SystemClock()
        self._outbox = outbox
        self._book = TicketBook(file)
        limits = Limits(settings.telemetry_keep_h, settings.disk_floor_mib)
        self._keeper = TelemetryKeeper(outbox, Values(file), limits, lambda: free_mib(settings.data_dir), self._clock)
        self._reported = Reported(Values(file))
        self._desired = Desired(Values(file))
        self._board = Board(self._clock)
        self._screen = ScreenSlot(self._board, self._clock)
        wants = wants_of(plan)
        self._devices = choose_source(subsystems_of(wants), self._clock)
        finder = Finder(self._devices, wants, self._clock)
        parts = SlotParts(self._clock, outbox, self, _boot_id(), Values(file))
        lines = SharedLines(transport_for)
        self._runners = {
            name: _runner(name, mounted, finder.place(name), parts, lines) for name, mounted in plan.slots.items()
        }
        self._executor = Executor(Journal(file), outbox, self._views(), self._desired, self._clock)
        by_capability: dict[str, SlotView] = {view.capability: view for view in self._views().values()}
        ticket_parts = TicketParts(self._book, outbox, self._desired, self._clock, by_capability)
        self._tickets = TicketDesk(ticket_parts)
        self._session = self._cloud_session()
        self._desk = ScreenDesk(
            DeskParts(
                machine=settings.machine,
                profile=plan.profile,
                board=self._board,
                slot=self._screen,
                tickets=self._tickets,
                outbox=outbox,
                desired=self._desired,
                clock=self._clock,
                by_capability=by_capability,
                online=lambda: self._session.online,
            )
        )

    def slot_changed(self, slot: SlotRunner) -> None:
        """A slot's state or status is new."""
        self._reported.set(slot.name, slot.status.model_dump(mode="json", exclude_none=True))
        self._board.touch()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set; then leave in order: presence offline, devices closed."""
        await self._desired.open()
        await self._reported.open()
        self._report_agent()
        if self._plan.profile.screen:
            self._reported.set("screen", self._screen.status.model_dump(mode="json"))
        await self._executor.recover()
        await self._tickets.recover()
        self._devices.open()
        try:
            async with asyncio.TaskGroup() as group:
                for work in self._works(stop):
                    group.create_task(work())
        except* _Stopped:
            _log.info("agent: stopped")
        finally:
            self._devices.close()

    def _works(self, stop: asyncio.Event) -> list[Callable[[], Coroutine[None, None, None]]]:
        works: list[Callable[[], Coroutine[None, None, None]]] = [
            *(runner.run for runner in self._runners.values()),
            self._executor.run,
            self._session.run,
            self._keeper.run,
        ]
        works += [self._sample, self._follow_desired, partial(_until, stop)]
        if any((self._settings.data_dir / FIRMWARE_FOLDER).glob("*/coming")):  # an update was cut short
            works.append(self._recover_updates)
        if self._plan.profile.screen:
            works.append(self._board.run)
        if self._settings.screen_port:
            works.append(self._serve_screen)
        return works

    async def _serve_screen(self) -> None:
        from edge_agent.screen.routes import application  # here: a machine without a screen loads no web framework
        from edge_agent.screen.server import serve

        await serve(application(self._desk), self._settings.screen_port)

    async def _recover_updates(self) -> None:
        """An update that the last run of the agent did not see the end of goes on."""
        from edge_agent.updates.machine import MachineUpdates  # here: a machine without updates loads no cryptography

        parts = _update_parts(self._settings, self._outbox, self._clock)
        await MachineUpdates(self._runners, parts, transport_for, lambda: bool(self._board.view.session_id)).recover()

    async def _sample(self) -> None:
        """Telemetry, for ever; a full outbox costs a sample and nothing else."""
        while True:
            await self._clock.sleep(self._settings.sample_s)
            samples = Samples(samples=[await self._agent_sample(), *self._slot_samples()])
            try:
                data = samples.model_dump(mode="json")
                await self._outbox.append("agent", "agent.sampled", data, self._clock.now(), Lane.TELEMETRY)
            except OutboxFull as error:
                _log.warning("telemetry: %s", error)

    async def _agent_sample(self) -> Sample:
        depth = await self._outbox.depth()
        metrics = {
            "rss_mib": _resident_mib(),
            "outbox_business": float(depth.business),
            "outbox_telemetry": float(depth.telemetry),
            "outbox_fill": depth.fill,
            "outbox_dropped": float(depth.dropped),
            "refused_messages": float(self._session.refused_messages),
        }
        return Sample(at_ms=self._now_ms(), slot="agent", metrics=metrics)

    def _slot_samples(self) -> list[Sample]:
        counted = {name: runner.counters() for name, runner in self._runners.items()}
        return [Sample(at_ms=self._now_ms(), slot=name, metrics=found) for name, found in counted.items() if found]

    async def _follow_desired(self) -> None:
        while True:
            version = self._desired.twin.version
            self._report_agent()
            self._board.touch()
            await self._desired.wait_beyond(version)

    def _report_agent(self) -> None:
        agent = {"version": __version__, "epoch": self._outbox.epoch, "desired_version": self._desired.twin.version}
        self._reported.set("agent", agent)

    def _views(self) -> dict[str, SlotView]:
        views: dict[str, SlotView] = dict(self._runners)
        if self._plan.profile.screen:
            views["screen"] = self._screen
        return views

    def _inventory(self) -> Inventory:
        slots = {name: slot_inventory(runner) for name, runner in self._runners.items()}
        return Inventory(machine_profile=self._plan.profile.id, digest=self._plan.digest, slots=slots)

    def _cloud_session(self) -> CloudSession:
        parts = SessionParts(
            machine=self._settings.machine,
            agent_version=__version__,
            since=self._clock.now(),
            outbox=self._outbox,
            reported=self._reported,
            desired=self._desired,
            commands=self._executor,
            inventory=self._inventory,
            online_changed=lambda online: self._board.touch(),
            clock=self._clock,
            pace=Pace(self._settings.backlog_rows_per_s),
        )
        uplink = MqttUplink(address_of(self._settings), parts.machine, presence_of(parts, "offline").to_bytes())
        return CloudSession(uplink, parts, Backoff(FIRST_BACKOFF_S, LONGEST_BACKOFF_S))

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


async def run_agent(settings: EdgeSettings, stop: asyncio.Event) -> None:
    """Run one machine until ``stop``. Raises ConfigurationError, ProfileError, AgentError."""
    plan = plan_machine(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(_sole_owner(settings))
        outbox, file = await stack.enter_async_context(_files(settings))
        await Agent(settings, plan, outbox, file).run(stop)


async def update_firmware(settings: EdgeSettings, slot: str, release: "Release", told: "Told") -> "Record":
    """Update the firmware of one slot while no agent runs here; the record says how it ended.

    Raises ConfigurationError, ProfileError, AgentError, BridgeError.
    """
    from edge_agent.updates.line import FollowedLine  # here: only an update needs cryptography and smpclient
    from edge_agent.updates.service import SlotUpdate

    plan = plan_machine(settings)
    if slot not in plan.slots:
        raise ConfigurationError(f"slot {slot}: expected one of {', '.join(plan.slots)}")
    mounted = plan.slots[slot]
    if isinstance(mounted.port, UsbAddress):
        raise ConfigurationError(f"ports.{slot}: expected a file or a URL for an update, got {mounted.port}")
    async with AsyncExitStack() as stack:
        stack.enter_context(_sole_owner(settings))
        outbox, _ = await stack.enter_async_context(_files(settings))
        parts = _update_parts(settings, outbox, SystemClock())
        line = FollowedLine(lambda: transport_for(mounted.profile, str(mounted.port)))
        return await SlotUpdate(slot, mounted.profile, parts, told).run(release, line)


def _update_parts(settings: EdgeSettings, outbox: SqliteOutbox, clock: Clock) -> "UpdateParts":
    from edge_agent.updates.service import UpdateParts

    return UpdateParts(settings.machine, settings.data_dir / FIRMWARE_FOLDER, settings.firmware_keys, outbox, clock)


class _Stopped(Exception):
    """Ends the task group when somebody asked for it."""


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
    raise _Stopped


@asynccontextmanager
async def _files(settings: EdgeSettings) -> AsyncIterator[tuple[SqliteOutbox, DurableFile]]:
    now = SystemClock().now()
    outbox = SqliteOutbox(settings.data_dir / OUTBOX_FILE, room_mib=settings.outbox_mib)
    file = DurableFile(settings.data_dir / MACHINE_FILE, MACHINE_SCHEMA, room_mib=MACHINE_ROOM_MIB)
    try:
        outbox_is_new = await outbox.open(now)
        if await file.open(now) and not outbox_is_new:
            _log.error("%s: lost; ticket numbers leased before will not be used again", file.path)
            await TicketBook(file).distrust()
        yield outbox, file
    finally:
        await outbox.close()
        await file.close()


@contextmanager
def _sole_owner(settings: EdgeSettings) -> Iterator[None]:
    """Two agents on one outbox would number their facts twice: the second one is refused."""
    make_folder("data_dir", settings.data_dir)
    with (settings.data_dir / "agent.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AgentError(f"data_dir: another agent already runs on {settings.data_dir}; stop it first") from None
        yield


def _boot_id() -> str:
    """The kernel's name for this boot; one of our own, which no other run shares, where it has none."""
    file = Path("/proc/sys/kernel/random/boot_id")
    return file.read_text().strip() if file.exists() else uuid.uuid4().hex


def _runner(name: str, mounted: Mounted, place: Place, parts: SlotParts, lines: SharedLines) -> SlotRunner:
    find = lines.transport if mounted.shared or mounted.profile.line.echo else transport_for

    async def connect(address: str) -> Driver:
        transport = find(mounted.profile, address)
        driver = load_driver(mounted.profile, transport, parts.clock)
        await transport.open()
        return driver

    backoff = Backoff(FIRST_BACKOFF_S, LONGEST_BACKOFF_S)
    return SlotRunner(name, mounted.profile, place, connect, parts, backoff)


def _resident_mib() -> float:
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
