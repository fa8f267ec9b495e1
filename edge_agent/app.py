"""The composition root: the one place that chooses adapters and connects the parts of an agent."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from device_profiles.errors import ConfigurationError
from device_profiles.messages.facts import Sample, Samples
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.topics import AGENT_SLOT
from device_profiles.messages.twin import field_digests
from edge_agent import __version__
from edge_agent.addresses import UsbAddress
from edge_agent.assembly import boot_id, opened_files, resident_mib, runner, sole_owner
from edge_agent.commands.execute import Executor
from edge_agent.commands.journal import Journal
from edge_agent.commands.proof import ProvenSlot
from edge_agent.devices.choice import choose_source
from edge_agent.devices.matching import wants_of
from edge_agent.devices.places import Finder, subsystems_of
from edge_agent.errors import AgentError, MachineBusy, OutboxFull
from edge_agent.identity.cloud import Cloud as EnrolmentCloud
from edge_agent.identity.files import IdentityFolder
from edge_agent.identity.renewal import Renewal, Trial
from edge_agent.lease import Lease
from edge_agent.local_flows.book import TicketBook
from edge_agent.local_flows.ticket import TicketDesk, TicketParts
from edge_agent.outbox.keeping import Limits, TelemetryKeeper, free_mib
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.plan import MachinePlan, plan_machine
from edge_agent.ports import Clock, Lane, SlotView, Uplink
from edge_agent.screen.board import Board
from edge_agent.screen.desk import DeskParts, ScreenDesk
from edge_agent.screen.guard import CitizenGuard
from edge_agent.screen.slot import ScreenSlot
from edge_agent.settings import EdgeSettings
from edge_agent.slots.inventory import slot_inventory
from edge_agent.slots.runner import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, SlotParts, SlotRunner
from edge_agent.storage import DurableFile, Values
from edge_agent.timing import Backoff, SystemClock
from edge_agent.twin import Desired, Reported
from edge_agent.uplink.address import address_of
from edge_agent.uplink.identified import IdentifiedUplink
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.road import settings_for
from edge_agent.uplink.sender import Pace
from edge_agent.uplink.session import CloudSession, SessionParts, presence_of
from edge_agent.uplink.trial import Road, TrialParts, UplinkTrials
from edge_agent.vendor.mode import VendorMode
from edge_agent.vendor.slot import AgentSlot
from edge_agent.vendor.states import VendorState
from firmware_bridge.registry import transport_for
from firmware_bridge.transports.shared import SharedLines

if TYPE_CHECKING:
    from edge_agent.updates.service import UpdateParts
    from firmware_bridge.update.ports import Record, Told
    from firmware_bridge.update.procedure import Release

FIRMWARE_FOLDER = "firmware"
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
        parts = SlotParts(self._clock, outbox, self, boot_id(), Values(file))
        lines = SharedLines(transport_for)
        self._runners = {
            name: runner(name, mounted, finder.place(name), parts, lines) for name, mounted in plan.slots.items()
        }
        self._restart = asyncio.Event()
        self._lease = Lease(Values(file), self._clock)
        commands_journal, runners = Journal(file), self._runners.items()
        self._proven: dict[str, SlotView] = {
            name: ProvenSlot(name, runner, commands_journal, self._clock) for name, runner in runners
        }
        self._vendor = VendorMode(
            self._lease, list(self._runners.values()), outbox, Values(file), self._clock, self._vendor_changed
        )
        self._itself = AgentSlot(
            settings.machine, self._vendor, self._printer(), Values(file), self._clock, self._restart.set
        )
        self._guard = CitizenGuard(self._board, self._lease, lambda: self._vendor.state is not VendorState.OFF)
        executing = {**self._views(), AGENT_SLOT: self._itself}
        self._executor = Executor(commands_journal, outbox, executing, self._desired, self._clock, self._lease)
        by_capability: dict[str, SlotView] = {view.capability: view for view in self._views().values()}
        ticket_parts = TicketParts(self._book, outbox, self._desired, self._clock, by_capability)
        self._tickets = TicketDesk(ticket_parts)
        self._trial = _trial(settings)
        self._renewal: Renewal | None = None
        self._session = self._cloud_session()
        self._uplinks = self._uplink_trials(Values(file))
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
                guard=self._guard,
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
        await self._lease.open()
        await self._vendor.open()
        await self._uplinks.open()
        self._report_agent()
        if self._plan.profile.screen:
            self._reported.set("screen", self._screen.status.model_dump(mode="json"))
        await self._executor.recover()
        await self._tickets.recover()
        self._devices.open()
        restart = False
        try:
            async with asyncio.TaskGroup() as group:
                for work in self._works(stop):
                    group.create_task(work())
        except* _Stopped:
            _log.info("agent: stopped")
        except* RestartAsked:
            restart = True
        finally:
            self._devices.close()
        if restart:
            raise RestartAsked

    def _vendor_changed(self) -> None:
        self._report_agent()
        self._board.touch()

    def _printer(self) -> SlotView | None:
        return next((view for view in self._proven.values() if view.capability == "printer"), None)

    async def _until_restart(self) -> None:
        await self._restart.wait()
        raise RestartAsked

    async def _follow_vendor_wish(self) -> None:
        """Vendor mode by the twin: newest decides."""
        while True:
            version = self._desired.twin.version
            try:
                await self._vendor.follow(self._desired.agent.vendor_mode)
            except MachineBusy as busy:
                _log.warning("vendor mode: %s", busy)
            await self._desired.wait_beyond(version)

    def _works(self, stop: asyncio.Event) -> list[Callable[[], Coroutine[None, None, None]]]:
        works: list[Callable[[], Coroutine[None, None, None]]] = [
            *(runner.run for runner in self._runners.values()),
            self._executor.run,
            self._session.run,
            self._keeper.run,
        ]
        works += [self._sample, self._follow_desired, partial(_until, stop), self._until_restart]
        works += [self._lease.run, self._vendor.run, self._uplinks.run, self._follow_vendor_wish]
        if any((self._settings.data_dir / FIRMWARE_FOLDER).glob("*/coming")):  # an update was cut short
            works.append(self._recover_updates)
        if self._renewal is not None:
            works.append(self._renewal.run)
        if self._plan.profile.screen:
            works += [self._board.run, self._guard.run]
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
        await MachineUpdates(self._runners, parts, transport_for, self._lease).recover()

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
            "rss_mib": resident_mib(),
            "outbox_business": float(depth.business),
            "outbox_telemetry": float(depth.telemetry),
            "outbox_fill": depth.fill,
            "outbox_dropped": float(depth.dropped),
            "refused_messages": float(self._session.refused_messages),
        }
        if self._trial is not None:
            left = self._trial.folder.current().facts.not_after - self._clock.now()
            metrics["certificate_days_left"] = left.total_seconds() / 86_400
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
        twin = self._desired.twin
        agent: dict[str, Any] = {
            "version": __version__,
            "epoch": self._outbox.epoch,
            "desired_version": twin.version,
            "desired": field_digests(twin.values),
            "uplink": {"broker": self._uplinks.road.broker, "trial": self._uplinks.outcome},
            "vendor_mode": {"phase": self._vendor.state, "until": _text(self._vendor.until)},
        }
        self._reported.set("agent", agent)

    def _views(self) -> dict[str, SlotView]:
        views: dict[str, SlotView] = dict(self._proven)
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
        will = presence_of(parts, "offline").to_bytes()
        return CloudSession(self._uplink(self._settings, will), parts, Backoff(FIRST_BACKOFF_S, LONGEST_BACKOFF_S))

    def _uplink_trials(self, remembered: Values) -> UplinkTrials:
        will = presence_of(self._session.parts, "offline").to_bytes()

        def build(road: Road) -> Uplink:
            return self._uplink(settings_for(road, self._settings), will)

        parts = TrialParts(
            session=self._session,
            build=build,
            desired=self._desired,
            lease=self._lease,
            outbox=self._outbox,
            remembered=remembered,
            clock=self._clock,
        )
        return UplinkTrials(Road(self._settings.broker), parts, self._report_agent)

    def _uplink(self, settings: EdgeSettings, will: bytes) -> Uplink:
        if self._trial is None:
            return MqttUplink(address_of(settings), settings.machine, will)
        uplink = IdentifiedUplink(settings, self._trial, will)
        if self._settings.cloud_url and self._renewal is None:
            cloud = EnrolmentCloud(self._settings.cloud_url, self._settings.cloud_ca_file)
            self._renewal = Renewal(self._trial, cloud, self._outbox, self._clock)
        return uplink

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _trial(settings: EdgeSettings) -> Trial | None:
    if settings.identity_dir is None:
        return None
    trial = Trial(IdentityFolder(settings.identity_dir))
    machine = trial.folder.current().facts.machine
    if machine != settings.machine:
        raise AgentError(f"identity_dir: expected the certificate of {settings.machine}, got that of {machine}")
    return trial


async def run_agent(settings: EdgeSettings, stop: asyncio.Event) -> None:
    """Run one machine until ``stop``. Raises RestartAsked, ConfigurationError, ProfileError, AgentError."""
    plan = plan_machine(settings)
    async with AsyncExitStack() as stack:
        stack.enter_context(sole_owner(settings))
        outbox, file = await stack.enter_async_context(opened_files(settings))
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
        stack.enter_context(sole_owner(settings))
        outbox, _ = await stack.enter_async_context(opened_files(settings))
        parts = _update_parts(settings, outbox, SystemClock())
        line = FollowedLine(lambda: transport_for(mounted.profile, str(mounted.port)))
        return await SlotUpdate(slot, mounted.profile, parts, told).run(release, line)


def _update_parts(settings: EdgeSettings, outbox: SqliteOutbox, clock: Clock) -> "UpdateParts":
    from edge_agent.updates.service import UpdateParts

    return UpdateParts(settings.machine, settings.data_dir / FIRMWARE_FOLDER, settings.firmware_keys, outbox, clock)


class RestartAsked(Exception):
    """The agent was asked to begin anew; everything is closed in order when this arrives."""


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


class _Stopped(Exception):
    """Ends the task group when somebody asked for it."""


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()
    raise _Stopped
