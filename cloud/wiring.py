"""The one place where features meet: who is built from what, and which reaction listens to which fact."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from fastapi import APIRouter

from cloud.access import routes as access_routes
from cloud.access.adapters.passwords import Argon2
from cloud.access.adapters.provider import Provider
from cloud.access.model import Role
from cloud.access.service import AccountService, ClaimRule, Door, KeyService, SignOnService
from cloud.alerts import routes as alerts_routes
from cloud.alerts.jobs import AlertTimer
from cloud.alerts.service import AlertService
from cloud.audit import routes as audit_routes
from cloud.audit.jobs import AnchorTimer, KeyTimer
from cloud.audit.service import AuditService, RetentionService
from cloud.audit.service.retention import KeyRotation
from cloud.audit.service.start import STARTED, start_detail
from cloud.audit.store.anchors import FILE_NAME, AnchorFile
from cloud.commands import routes as commands_routes
from cloud.commands.jobs import CommandPublisher
from cloud.commands.service import CommandService
from cloud.commands.store import count_by_state
from cloud.commands.store import purge as purge_commands
from cloud.core.bus import Bus
from cloud.core.clock import Clock, SystemClock, to_ms
from cloud.core.keys import Keys, load_keys
from cloud.core.metrics import Metrics
from cloud.dispatch import routes as dispatch_routes
from cloud.dispatch.jobs import DispatchTimer
from cloud.dispatch.service import DispatchService
from cloud.enrolment import routes as enrolment_routes
from cloud.enrolment.adapters.eviction import Eviction
from cloud.enrolment.adapters.hands import Hands
from cloud.enrolment.adapters.revocation_list import Reload, RevocationFile
from cloud.enrolment.jobs import ExpiryWatch, RevocationPublisher
from cloud.enrolment.model import Rules
from cloud.enrolment.service import EnrolmentService
from cloud.enrolment.service.admission import Admission, Admitted
from cloud.enrolment.service.authority import load_authority
from cloud.enrolment.service.pace import Pace
from cloud.fleet import routes as fleet_routes
from cloud.fleet.model import Register
from cloud.fleet.service import FleetService
from cloud.fleet.store import online_machines
from cloud.flows import routes as flows_routes
from cloud.flows.adapters import open_departments
from cloud.flows.jobs import CallRunner, DeadlineTimer
from cloud.flows.service import FlowService
from cloud.flows.states.catalogue import ITEM_NAMES
from cloud.ingest import routes as ingest_routes
from cloud.ingest.consumer import Consumer, run_ingest
from cloud.ingest.link import BrokerAddress, Link, Outgoing
from cloud.ingest.store import purge_events
from cloud.ingest.watch import ClockWatch, GapWatch
from cloud.joints.privacy import Traces, data_classes, reseal, rules_of
from cloud.joints.views import Faults, Halls
from cloud.queues import routes as queues_routes
from cloud.queues.jobs import DayTimer
from cloud.queues.model import HallPlan, plan_of
from cloud.queues.service import QueueService
from cloud.settings import CloudSettings
from cloud.storage.reading import Connection
from cloud.storage.retention import PORTION, Retention, Rule
from cloud.storage.tx import Tx
from cloud.storage.unit_of_work import Database
from cloud.telemetry import routes as telemetry_routes
from cloud.telemetry.adapters import open_store
from cloud.telemetry.port import TelemetryStore
from cloud.telemetry.recorder import Recorder
from cloud.twins import routes as twins_routes
from cloud.twins.jobs import DesiredPublisher
from cloud.twins.service import TwinService
from device_profiles.catalog import Catalog, load_catalog

OPEN_COMMANDS = "hallfleet_open_commands"


@dataclass(frozen=True, slots=True)
class Access:
    """Who may come in. ``sign_on`` is there when the settings name an identity provider."""

    accounts: AccountService
    keys: KeyService
    passwords: Argon2
    door: Door
    sign_on: SignOnService | None


@dataclass(slots=True)
class Cloud:
    """Everything of one process, built and connected; nothing runs yet."""

    settings: CloudSettings
    catalog: Catalog
    clock: Clock
    metrics: Metrics
    keys: Keys
    bus: Bus[Tx]
    db: Database
    register: Register
    fleet: FleetService
    twins: TwinService
    commands: CommandService
    queues: QueueService
    flows: FlowService
    alerts: AlertService
    dispatch: DispatchService
    audit: AuditService
    retention: RetentionService
    telemetry: TelemetryStore
    link: Link
    enrolment: EnrolmentService
    admission: Admission
    access: Access
    # Filled below, by every feature: routes below /api/v1 for staff and for everybody, what runs for as long as the
    # process, what is done once in a transaction before that, and what refreshes the metrics.
    routers: list[APIRouter] = field(default_factory=list)
    public_routers: list[APIRouter] = field(default_factory=list)
    jobs: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    preparations: list[Callable[[Tx], object]] = field(default_factory=list)
    probes: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


def build(settings: CloudSettings, clock: Clock | None = None) -> Cloud:
    """Build and connect everything. Call inside the event loop. Raises ProfileError and Invalid."""
    clock, metrics, bus = clock or SystemClock(), Metrics(), Bus[Tx]()
    catalog = load_catalog(settings.profiles_dir)
    register = Register(catalog, settings.halls)
    db = Database(settings.database, bus, metrics)
    address = BrokerAddress(
        settings.broker, settings.broker_ca_file, settings.broker_cert_file, settings.broker_key_file
    )
    link = Link(address)
    fleet, twins, commands = FleetService(register, clock), TwinService(clock), CommandService(register, clock)
    plans = {hall: plan_of(catalog, hall) for hall in settings.halls}
    queues = QueueService(plans, commands, twins, ITEM_NAMES, clock)
    halls = Halls(queues)
    audit = AuditService(AnchorFile(settings.data_dir / FILE_NAME), clock)
    cloud = Cloud(
        settings=settings,
        catalog=catalog,
        clock=clock,
        metrics=metrics,
        keys=load_keys(settings.data_dir, to_ms(clock.now())),
        bus=bus,
        db=db,
        register=register,
        fleet=fleet,
        twins=twins,
        commands=commands,
        queues=queues,
        flows=FlowService(_items(plans), commands, fleet, clock),
        alerts=AlertService(Faults(fleet, register), clock),
        dispatch=DispatchService(settings.halls, halls, halls, clock),
        audit=audit,
        retention=RetentionService(data_classes(settings), settings.keep_audit_days, Traces(), audit, clock),
        telemetry=open_store(
            settings.telemetry_url, settings.telemetry_file, settings.telemetry_token.get_secret_value()
        ),
        link=link,
        enrolment=enrolment_of(settings, register, clock),
        admission=Admission(),
        access=_access(settings, db, clock),
    )
    # The order is the order of reactions to the same fact: it is written down, then who is there, then what was asked,
    # then what follows.
    _wire_audit(cloud)
    _wire_fleet(cloud)
    _wire_twins(cloud)
    _wire_commands(cloud)
    _wire_queues(cloud)
    _wire_flows(cloud)
    _wire_alerts(cloud)
    _wire_dispatch(cloud)
    _wire_telemetry(cloud)
    _wire_ingest(cloud)
    _wire_enrolment(cloud, address)
    cloud.routers.append(access_routes.router())
    return cloud


def _access(settings: CloudSettings, db: Database, clock: Clock) -> Access:
    accounts = AccountService(settings.halls, clock)
    keys = KeyService(clock, settings.session_idle_s, settings.session_longest_s)
    passwords, openid = Argon2(), settings.openid
    door, sign_on = Door(db, keys, passwords, clock), None
    if openid is not None:
        secret = openid.client_secret.get_secret_value()
        provider = Provider(openid.issuer, openid.client_id, secret, tuple(openid.scopes), clock)
        rules = [ClaimRule(rule.claim, rule.value, Role(rule.role), rule.hall) for rule in openid.roles]
        sign_on = SignOnService(db, provider, rules, accounts, keys, clock)
    return Access(accounts, keys, passwords, door, sign_on)


def _wire_audit(cloud: Cloud) -> None:
    cloud.audit.subscribe(cloud.bus)
    profiles = {
        "peripherals": cloud.catalog.peripherals, "machines": cloud.catalog.machines, "halls": cloud.catalog.halls,
    }  # fmt: skip
    began = start_detail(cloud.settings, profiles)
    cloud.preparations.append(lambda tx: cloud.audit.note(tx, STARTED, cloud.keys.current.key_id, began))
    rotation = KeyRotation(cloud.audit, lambda tx, limit: reseal(cloud.keys, tx, limit))
    timer = AnchorTimer(cloud.db, cloud.audit, cloud.clock)
    keys = KeyTimer(cloud.db, cloud.keys.reload, lambda tx: _tell_of_keys(cloud, tx), rotation.reseal)
    cloud.jobs["audit"] = timer.run
    cloud.jobs["keys"] = keys.run
    cloud.routers.append(audit_routes.router(cloud.audit, cloud.retention, cloud.db, cloud.clock))


def _tell_of_keys(cloud: Cloud, tx: Tx) -> None:
    cloud.audit.note(tx, "keys.changed", cloud.keys.current.key_id, {"ring": cloud.keys.ids()})
    _want_basics(cloud, tx)


def _wire_fleet(cloud: Cloud) -> None:
    cloud.bus.on("machine.announced", cloud.fleet.note_presence)
    cloud.bus.on("machine.inventoried", cloud.fleet.note_inventory)
    cloud.bus.on("machine.reported", cloud.fleet.note_reported)
    cloud.bus.on("*", cloud.fleet.note_status)
    cloud.routers.append(fleet_routes.router(cloud.fleet, cloud.db))


def _wire_twins(cloud: Cloud) -> None:
    cloud.bus.on("machine.announced", cloud.twins.note_presence)
    cloud.bus.on("machine.reported", cloud.twins.note_reported)
    cloud.preparations.append(lambda tx: _want_basics(cloud, tx))

    def publish(topic: str, payload: bytes, retain: bool) -> None:
        cloud.link.publish(Outgoing(topic, payload, retain))

    publisher = DesiredPublisher(cloud.db, publish)
    cloud.bus.after_commit(publisher.heard)
    cloud.jobs["twins"] = publisher.run
    cloud.routers.append(twins_routes.router(cloud.twins, cloud.db, cloud.register.machine))


def _want_basics(cloud: Cloud, tx: Tx) -> None:
    """What every machine must know to serve citizens: where tickets lead, and how to seal what is personal."""
    basics = {
        "public_url": cloud.settings.public_address,
        "seal_key": cloud.keys.seal_public,
        "subject_salt": cloud.keys.subject_salt,
    }
    for machine in cloud.register.machines:
        cloud.twins.set_desired(tx, machine, basics)


def _wire_commands(cloud: Cloud) -> None:
    cloud.bus.on("command.finished", cloud.commands.settle)
    cloud.bus.on("command.reconciled", cloud.commands.reconcile)

    def publish(topic: str, payload: bytes, expiry_s: int, key: str) -> None:
        cloud.link.publish(Outgoing(topic, payload, expiry_s=expiry_s, key=key))

    publisher = CommandPublisher(cloud.commands, cloud.db, online_machines, publish, cloud.clock)
    cloud.bus.after_commit(publisher.heard)
    cloud.jobs["commands"] = publisher.run
    cloud.routers.append(commands_routes.router(cloud.commands, cloud.db, cloud.register))
    cloud.metrics.describe(OPEN_COMMANDS, "gauge", "Commands without an outcome, by state")
    cloud.probes.append(lambda: _count_commands(cloud))


async def _count_commands(cloud: Cloud) -> None:
    counts = await cloud.db.read(count_by_state)
    for state in ("pending", "sent"):
        cloud.metrics.gauge(OPEN_COMMANDS, counts.get(state, 0), state=state)


def _wire_queues(cloud: Cloud) -> None:
    cloud.queues.subscribe(cloud.bus)
    cloud.preparations.append(cloud.queues.days.prepare)
    cloud.jobs["days"] = DayTimer(cloud.db, cloud.queues).run
    cloud.routers.append(queues_routes.router(cloud.queues, cloud.db, cloud.clock))
    cloud.public_routers.append(queues_routes.public_router(cloud.queues, cloud.db))


def _wire_flows(cloud: Cloud) -> None:
    cloud.bus.on("session.started", cloud.flows.on_session_started)
    cloud.bus.on("command.settled", cloud.flows.on_command_settled)
    departments = open_departments(cloud.settings.departments_url)
    runner = CallRunner(cloud.db, cloud.flows, departments, cloud.keys, cloud.clock)
    timer = DeadlineTimer(cloud.db, cloud.flows, cloud.clock)
    cloud.bus.after_commit(runner.heard)
    cloud.bus.after_commit(timer.heard)
    cloud.jobs["department calls"] = runner.run
    cloud.jobs["case deadlines"] = timer.run
    cloud.routers.append(flows_routes.router(cloud.flows, cloud.db, cloud.clock))


def _items(plans: Mapping[str, HallPlan]) -> dict[str, tuple[str, frozenset[str]]]:
    """Machine -> (hall, the journeys that its screen offers)."""
    return {
        machine: (hall, frozenset(profile.items))
        for hall, plan in plans.items()
        for machine, profile in plan.screens.items()
    }


def _wire_alerts(cloud: Cloud) -> None:
    cloud.alerts.subscribe(cloud.bus)
    cloud.jobs["alerts"] = AlertTimer(cloud.db, cloud.alerts).run
    cloud.routers.append(alerts_routes.router(cloud.alerts, cloud.db, cloud.clock))


def _wire_dispatch(cloud: Cloud) -> None:
    cloud.jobs["dispatch"] = DispatchTimer(cloud.db, cloud.dispatch, cloud.settings.dispatch_interval_s).run
    cloud.routers.append(dispatch_routes.router(cloud.dispatch, cloud.db, cloud.clock))


def _wire_telemetry(cloud: Cloud) -> None:
    recorder = Recorder(cloud.telemetry, cloud.clock, cloud.metrics)
    cloud.bus.after_commit(recorder.heard)
    cloud.jobs["telemetry"] = recorder.run
    cloud.routers.append(telemetry_routes.router(cloud.telemetry, cloud.clock, cloud.register.machine))


def enrolment_of(settings: CloudSettings, register: Register, clock: Clock) -> EnrolmentService:
    """The fleet's CA and its rules, also for a command that runs beside the process. Raises Invalid."""
    identity = settings.identity
    authority = load_authority(settings.data_dir, clock.now(), identity.ca_key_file, identity.ca_cert_file)
    rules = Rules(
        lifetime=timedelta(days=identity.certificate_days),
        grace=timedelta(days=identity.grace_days),
        claim_lifetime=timedelta(hours=identity.claim_hours),
        list_url=identity.crl_url,
    )
    return EnrolmentService(authority, register.hall_of, rules, clock)


def _wire_enrolment(cloud: Cloud, address: BrokerAddress) -> None:
    identity, service = cloud.settings.identity, cloud.enrolment
    cloud.bus.on("agent.certificate_renewed", service.note_renewed)
    file = RevocationFile(cloud.settings.revocation_file)
    tls = cloud.settings.broker.startswith("mqtts:")
    eviction = Eviction(address.host, address.port, tls, cloud.settings.broker_ca_file, service.authority, cloud.clock)
    publisher = RevocationPublisher(
        cloud.db,
        service,
        cloud.admission,
        file,
        Hands(Reload(identity.reload_command, identity.pid_file), eviction),
        cloud.clock,
        cloud.metrics,
    )
    cloud.bus.after_commit(publisher.heard)
    cloud.jobs["revocations"] = publisher.run
    cloud.jobs["expiry"] = ExpiryWatch(cloud.db, service, _hall_of(cloud.register), cloud.clock).run
    broker = identity.machine_broker or cloud.settings.broker
    cloud.routers.append(enrolment_routes.router(service, cloud.db))
    cloud.public_routers.append(enrolment_routes.public_router(service, cloud.db, file, broker, Pace(cloud.clock)))


def _hall_of(register: Register) -> Callable[[str], str | None]:
    def hall_of(machine: str) -> str | None:
        found = register.find(machine)
        return found.hall if found is not None else None

    return hall_of


def _wire_ingest(cloud: Cloud) -> None:
    zones = {hall: ZoneInfo(profile.timezone) for hall, profile in cloud.register.halls.items()}
    consumer = Consumer(
        cloud.db, Admitted(cloud.register, cloud.admission), cloud.link.publish, cloud.clock, cloud.metrics, zones
    )
    cloud.link.deliver_to(consumer.receive)
    cloud.jobs["ingest"] = lambda: run_ingest(cloud.link, consumer)
    cloud.routers.append(ingest_routes.router(cloud.db, cloud.register.machine))
    hall_of, patience_s = cloud.register.hall_of, cloud.settings.facts_missing_after_s
    cloud.jobs["gaps"] = GapWatch(cloud.db, consumer.ask, hall_of, cloud.clock, cloud.metrics, patience_s).run
    clocks = ClockWatch(cloud.db, hall_of, cloud.clock, cloud.metrics)
    cloud.bus.after_commit(clocks.heard)
    cloud.jobs["clocks"] = clocks.run


def _wire_retention(cloud: Cloud) -> None:
    def rows(purge: Callable[[Connection, int, int], int]) -> Callable[[int], Awaitable[int]]:
        return lambda before_ms: cloud.db.write(lambda tx: purge(tx.conn, before_ms, PORTION))

    async def samples(before_ms: int) -> int:
        await cloud.telemetry.purge(before_ms)
        return 0

    settings = cloud.settings
    rules = (
        *rules_of(cloud.retention, cloud.db),
        Rule("events", settings.keep_events_days, rows(purge_events)),
        Rule("commands", settings.keep_commands_days, rows(purge_commands)),
        Rule("telemetry", settings.keep_telemetry_days, samples),
    )
    cloud.jobs["retention"] = Retention(cloud.db, rules, cloud.clock, cloud.metrics).run
