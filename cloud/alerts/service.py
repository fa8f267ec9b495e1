"""Alerts open and close by what devices report; people acknowledge and shelve, and resolve what no device denies."""

from datetime import datetime
from typing import Protocol

from cloud.alerts import store
from cloud.alerts.model import Alert, AlertState
from cloud.alerts.states import FIRST, AlertStep, after
from cloud.alerts.states.advice import CERTIFICATE_CODE, CLOCK_CODE, FACTS_CODE, OFFLINE_CODE, severity_of, who_acts
from cloud.core.bus import Bus
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Tx
from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Action
from device_profiles.messages.facts import FaultBody, StatusChanged
from device_profiles.messages.topics import AGENT_SLOT

PRESENCE_FIELD = "presence"
RECORD_FIELD = "record"
CLOCK_FIELD = "clock"
CERTIFICATE_FIELD = "certificate"
OF_THE_MACHINE = {
    "machine.facts_missing": (RECORD_FIELD, FaultBody(code=FACTS_CODE, action=Action.SOFTWARE_ERROR)),
    "machine.clock_wrong": (CLOCK_FIELD, FaultBody(code=CLOCK_CODE, action=Action.CONFIGURATION)),
    "certificate.expiring": (CERTIFICATE_FIELD, FaultBody(code=CERTIFICATE_CODE, action=Action.CONFIGURATION)),
}
"""What is wrong with a machine as a whole, beside its absence: the field that the alert is about, and the fault."""
OVER = {
    "machine.facts_complete": RECORD_FIELD,
    "machine.clock_right": CLOCK_FIELD,
    "certificate.renewed": CERTIFICATE_FIELD,
    "certificate.issued": CERTIFICATE_FIELD,
    "machine.revoked": CERTIFICATE_FIELD,
}
BY_PERSON = "person"
UNDECIDED = frozenset({"starting", "busy", "unknown"})
"""Values that mean no fault, but are no evidence that one is over either: a device that is only being tried again."""


class FaultReader(Protocol):
    """Knows the present status of peripherals and machines."""

    def fault_now(self, tx: Tx, machine: str, slot: str, field: str) -> str | None:
        """The code of the fault that this field shows now, None when it is good."""
        ...


class AlertService:
    """The use cases of alerts. ``grace_s``: how long a machine may be offline before anybody is told."""

    def __init__(self, faults: FaultReader, clock: Clock, grace_s: float = 30.0) -> None:
        self._faults = faults
        self._clock = clock
        self._grace_ms = round(grace_s * 1000)

    def subscribe(self, bus: Bus[Tx]) -> None:
        """React to what machines report."""
        for name in CAPABILITIES:
            bus.on(f"{name}.*", self.on_status)
        bus.on("machine.offline", self.on_offline)
        bus.on("machine.online", self.on_online)
        bus.on("command.doubted", self.on_doubt)
        bus.on("command.cleared", self.on_cleared)
        for name in OF_THE_MACHINE:
            bus.on(name, self.on_wrong)
        for name in OVER:
            bus.on(name, self.on_right)

    def on_status(self, tx: Tx, fact: Fact) -> None:
        """A status field took another value: a fault opens or raises its alert, a good value closes it."""
        if fact.type.partition(".")[2] != f"{fact.data.get('field')}_{fact.data.get('value')}":
            return  # an event of the capability, not a change of its status
        change = StatusChanged.model_validate(dict(fact.data), extra="ignore")
        if fact.historical and not self._is_so(tx, fact, change):
            return  # it was so once; what came before this fact, but later from the machine, says how it is now
        if change.fault is None:
            if change.value not in UNDECIDED:
                self._close(tx, fact, change.field)
        else:
            self._raise(tx, fact, change.field, change.fault)

    def on_offline(self, tx: Tx, fact: Fact) -> None:
        """``machine.offline``: wait a little before telling anybody."""
        store.note_offline(tx.conn, fact.machine, fact.hall, to_ms(self._clock.now()), _id_of(fact))

    def on_online(self, tx: Tx, fact: Fact) -> None:
        """``machine.online``: it is back."""
        store.note_online(tx.conn, fact.machine)
        self._close(tx, fact, PRESENCE_FIELD)

    def on_wrong(self, tx: Tx, fact: Fact) -> None:
        """Something is wrong with a machine as a whole."""
        self._raise(tx, fact, *OF_THE_MACHINE[fact.type])

    def on_right(self, tx: Tx, fact: Fact) -> None:
        """It is right again."""
        self._close(tx, fact, OVER[fact.type])

    def on_doubt(self, tx: Tx, fact: Fact) -> None:
        """``command.doubted``: the outcome of a command is unknown; the alert's field is the command's id."""
        self._raise(tx, fact, str(fact.data["command_id"]), FaultBody.model_validate(fact.data["fault"]))

    def on_cleared(self, tx: Tx, fact: Fact) -> None:
        """``command.cleared``: the device has shown what was done."""
        self._close(tx, fact, str(fact.data["command_id"]))

    def look_at_clock(self, tx: Tx) -> None:
        """Open alerts for machines that stayed offline, and wake what was shelved for a time that is over."""
        now = self._clock.now()
        for row in store.take_long_offline(tx.conn, to_ms(now) - self._grace_ms):
            gone = Fact("machine.offline", now, machine=row["machine"], slot=AGENT_SLOT, hall=row["hall"])
            fault = FaultBody(code=OFFLINE_CODE, action=Action.MAINTENANCE)
            self._raise(tx, gone, PRESENCE_FIELD, fault, row["fact"])
        for alert in store.to_wake(tx.conn, to_ms(now)):
            self._step(tx, alert, AlertStep.WAKE, shelved_until_ms=None)

    def to_be_seen(self, conn: Connection, hall: str, limit: int = 100) -> list[Alert]:
        """The hall's alerts that are open or acknowledged, the newest first; what is shelved is out of sight."""
        found = store.listed(conn, {"hall": hall}, active=True, before=None, limit=limit)
        return [alert for alert in found if alert.state is not AlertState.SHELVED]

    def acknowledge(self, tx: Tx, alert_id: str) -> Alert:
        """Somebody has taken it on."""
        alert = self._step(tx, store.get(tx.conn, alert_id), AlertStep.ACKNOWLEDGE, shelved_until_ms=None)
        return self._asked(tx, "acknowledged", alert)

    def shelve(self, tx: Tx, alert_id: str, for_s: float) -> Alert:
        """Put it away for a time; it comes back by itself."""
        until_ms = to_ms(self._clock.now()) + round(for_s * 1000)
        alert = self._step(tx, store.get(tx.conn, alert_id), AlertStep.SHELVE, shelved_until_ms=until_ms)
        return self._asked(tx, "shelved", alert)

    def resolve(self, tx: Tx, alert_id: str) -> Alert:
        """A person says that it is over. Raises Conflict while the device itself still reports the fault."""
        alert = store.get(tx.conn, alert_id)
        code = self._faults.fault_now(tx, alert.machine, alert.slot, alert.field)
        if code is not None and alert.state is not AlertState.CLOSED:
            raise Conflict(
                f"alert {alert_id}: {alert.machine}/{alert.slot} still reports {code}; the alert closes by itself "
                "as soon as the device reports that it is well"
            )
        closed_ms = to_ms(self._clock.now())
        return self._asked(
            tx, "resolved", self._step(tx, alert, AlertStep.CLOSE, closed_ms=closed_ms, evidence=BY_PERSON)
        )

    def _is_so(self, tx: Tx, fact: Fact, change: StatusChanged) -> bool:
        code = self._faults.fault_now(tx, fact.machine, fact.slot, change.field)
        return code == (change.fault.code if change.fault is not None else None)

    def _raise(self, tx: Tx, fact: Fact, field: str, fault: FaultBody, opened_by: str = "") -> None:
        known = store.live(tx.conn, fact.machine, fact.slot, field)
        if known is None:
            self._open(tx, fact, field, fault, opened_by or _id_of(fact))
        elif known.code == fault.code:
            store.change(tx.conn, known, count=known.count + 1, last_ms=self._ms(fact.at))
        else:
            self._step(
                tx, known, AlertStep.WORSEN, code=fault.code, action=fault.action, who=who_acts(fault.action),
                severity=severity_of(fault.code), count=known.count + 1, last_ms=self._ms(fact.at),
                shelved_until_ms=None,
            )  # fmt: skip

    def _open(self, tx: Tx, fact: Fact, field: str, fault: FaultBody, opened_by: str) -> None:
        alert = Alert(
            alert_id=new_id("alert"),
            hall=fact.hall,
            machine=fact.machine,
            slot=fact.slot,
            field=field,
            code=fault.code,
            action=fault.action,
            who=who_acts(fault.action),
            severity=severity_of(fault.code),
            state=FIRST,
            count=1,
            opened_ms=self._ms(fact.at),
            last_ms=self._ms(fact.at),
            opened_by=opened_by,
        )
        store.add(tx.conn, alert)
        self._tell(tx, "opened", alert)

    def _close(self, tx: Tx, fact: Fact, field: str) -> None:
        alert = store.live(tx.conn, fact.machine, fact.slot, field)
        if alert is not None:
            self._step(tx, alert, AlertStep.CLOSE, closed_ms=self._ms(fact.at), evidence=_id_of(fact))

    def _step(self, tx: Tx, alert: Alert, step: AlertStep, **changes: object) -> Alert:
        changed = store.change(tx.conn, alert, state=after(alert.state, step), **changes)
        self._tell(tx, "changed" if changed.state is not AlertState.CLOSED else "closed", changed)
        return changed

    def _asked(self, tx: Tx, what: str, alert: Alert) -> Alert:
        self._tell(tx, what, alert)  # beside the change: a person wanted it
        return alert

    def _tell(self, tx: Tx, what: str, alert: Alert) -> None:
        data = {"alert_id": alert.alert_id, "code": alert.code, "state": str(alert.state)}
        tx.publish(Fact(f"alert.{what}", self._clock.now(), data, alert.machine, alert.slot, alert.hall))

    def _ms(self, at: datetime) -> int:
        return to_ms(min(at, self._clock.now()))


def _id_of(fact: Fact) -> str:
    """The id of the message that a fact came in; its type and time when it came in none."""
    if fact.sequence:
        return f"{fact.machine}/{fact.epoch}/{fact.sequence}"
    return f"{fact.machine}/{fact.type}/{to_ms(fact.at)}"
