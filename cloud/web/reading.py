"""Reads the features and puts the snapshot of a hall together, from one consistent view of the store."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cloud.alerts.model import Alert, AlertState, Severity
from cloud.alerts.service import AlertService
from cloud.alerts.states.advice import advice_for, severity_of
from cloud.core.callers import CALLER, Permission
from cloud.core.clock import Clock, from_ms
from cloud.dispatch.model import Proposal, ProposalState
from cloud.dispatch.service import DispatchService
from cloud.fleet.model import Machine, MachineNow, SlotNow
from cloud.fleet.service import FleetService
from cloud.queues.model import Board, Counter, Position, ServiceLine
from cloud.queues.service import QueueService
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database
from cloud.web.live import (
    LiveAlert,
    LiveBand,
    LiveCounter,
    LiveHall,
    LiveMachine,
    LivePoint,
    LiveProposal,
    LiveService,
    LiveSlot,
)
from cloud.web.stream import LiveStream
from cloud.web.words import FAULTS, OTHER_FAULT
from device_profiles.schema.hall import HallProfile


class HallReader:
    """What every page starts from."""

    def __init__(
        self,
        db: Database,
        fleet: FleetService,
        queues: QueueService,
        alerts: AlertService,
        dispatch: DispatchService,
        stream: LiveStream,
        clock: Clock,
    ) -> None:
        self._db = db
        self._fleet = fleet
        self._register = fleet.register
        self._queues = queues
        self._alerts = alerts
        self._dispatch = dispatch
        self._stream = stream
        self._clock = clock
        self.halls: Sequence[HallProfile] = tuple(fleet.register.halls.values())

    def seen_halls(self, permission: Permission = Permission.SEE_HALL) -> Sequence[HallProfile]:
        """The halls in which the caller has a permission."""
        return [hall for hall in self.halls if CALLER.get().may(permission, hall.id)]

    def now(self) -> datetime:
        """The present moment."""
        return self._clock.now()

    def profile(self, hall: str) -> HallProfile:
        """A hall's profile. Raises NotFound."""
        return self._register.hall(hall)

    async def live(self, hall: str) -> LiveHall:
        """The whole hall now. Raises NotFound."""
        profile = self._register.hall(hall)
        revision = self._stream.revision(hall)  # before the look: what is newer than the look comes again
        return await self._db.read(lambda conn: self._snapshot(conn, profile, revision))

    async def position(self, token: str) -> Position:
        """Where a ticket stands. Raises NotFound."""
        return await self._db.read(lambda conn: self._queues.board.position(conn, token))

    def _snapshot(self, conn: Connection, profile: HallProfile, revision: int) -> LiveHall:
        board = self._queues.board.board(conn, profile.id)
        history = self._queues.board.history(conn, profile.id)
        return LiveHall(
            hall=profile.id,
            name_zh=profile.name_zh,
            name_en=profile.name_en,
            timezone=profile.timezone,
            width_m=profile.width_m,
            depth_m=profile.depth_m,
            at=self._clock.now(),
            revision=revision,
            services=[_service(line) for line in board.lines],
            counters=_counters(board, profile),
            machines=self._machines(conn, profile),
            alerts=[_alert(alert) for alert in self._alerts.to_be_seen(conn, profile.id)],
            proposals=_proposals(self._dispatch.newest(conn, profile.id), profile),
            history=[LivePoint(at=from_ms(at), waiting=waiting) for at, waiting in history],
        )

    def _machines(self, conn: Connection, profile: HallProfile) -> list[LiveMachine]:
        members = [self._register.machine(member.id) for member in profile.machines]
        standing = self._fleet.standing(conn, [machine.id for machine in members])
        return [_machine(machine, standing[machine.id]) for machine in members]


def _service(line: ServiceLine) -> LiveService:
    service, band = line.service, line.estimate
    return LiveService(
        id=service.id,
        prefix=service.prefix,
        name_zh=service.name_zh,
        name_en=service.name_en,
        waiting=line.waiting,
        oldest_wait_s=line.oldest_wait_s,
        target_wait_s=service.target_wait_s,
        estimate=None if band is None else LiveBand(median_s=band.median_s, low_s=band.low_s, high_s=band.high_s),
        open_counters=line.open_counters,
        called=line.called,
        serving=line.serving,
        served=line.served,
        no_shows=line.no_shows,
        abandoned=line.abandoned,
    )


def _counters(board: Board, profile: HallProfile) -> list[LiveCounter]:
    names = {clerk.id: clerk.name for clerk in profile.clerks}
    return [_counter(counter, board, names) for counter in board.counters]


def _counter(counter: Counter, board: Board, names: Mapping[str, str]) -> LiveCounter:
    ticket = board.tickets.get(counter.ticket_id)
    called_ms = None if ticket is None else ticket.called_ms
    return LiveCounter(
        id=counter.counter,
        number=counter.number,
        machine=counter.machine,
        state=str(counter.state),
        clerk=names.get(counter.clerk, counter.clerk),
        services=list(counter.services),
        ticket="" if ticket is None else ticket.number,
        ticket_state="" if ticket is None else str(ticket.state),
        since=None if called_ms is None else from_ms(called_ms),
    )


def _machine(machine: Machine, now: MachineNow) -> LiveMachine:
    slots = now.slots
    faulty = {name for name, slot in slots.items() if slot.faults}
    stopped = {name for name in faulty if any(map(_stops, slots[name].faults.values()))}
    return LiveMachine(
        id=machine.id,
        kind=machine.kind,
        name_zh=machine.name_zh,
        name_en=machine.name_en,
        x=machine.x,
        y=machine.y,
        online=now.online,
        state=_state(now.online, bool(stopped & machine.required), bool(faulty)),
        slots=[
            LiveSlot(slot=name, capability=capability, **_slot(slots.get(name)))
            for name, capability in machine.capabilities.items()
        ],
    )


def _stops(code: str) -> bool:
    return severity_of(code) is Severity.FAULT


def _slot(slot: SlotNow | None) -> dict[str, Any]:
    if slot is None:
        return {"device": "starting", "faults": []}
    return {"device": slot.device, "faults": sorted(slot.faults.values())}


def _state(online: bool, cannot_serve: bool, faulty: bool) -> str:
    if not online:
        return "idle"
    return "bad" if cannot_serve else "warn" if faulty else "ok"


def _alert(alert: Alert) -> LiveAlert:
    name, advice = FAULTS.get(alert.code, OTHER_FAULT), advice_for(alert.code, alert.who)
    return LiveAlert(
        id=alert.alert_id,
        machine=alert.machine,
        slot=alert.slot,
        code=alert.code,
        action=alert.action,
        who=str(alert.who),
        severity=str(alert.severity),
        opened_at=from_ms(alert.opened_ms),
        acknowledged=alert.state is AlertState.ACKNOWLEDGED,
        name_zh=name.zh,
        name_en=name.en,
        try_zh=advice.zh,
        try_en=advice.en,
    )


def _proposals(newest: Sequence[Proposal], profile: HallProfile) -> list[LiveProposal]:
    names = {clerk.id: clerk.name for clerk in profile.clerks}
    return [
        LiveProposal(
            id=proposal.proposal_id,
            counter=proposal.counter,
            clerk=names.get(proposal.clerk, proposal.clerk),
            reason_zh=proposal.reason_zh,
            reason_en=proposal.reason_en,
            made_at=from_ms(proposal.made_ms),
        )
        for proposal in newest
        if proposal.state is ProposalState.OPEN
    ]
