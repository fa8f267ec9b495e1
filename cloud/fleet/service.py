"""What the fleet learns from what machines say, and what it knows about them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cloud.core.clock import Clock, to_ms
from cloud.core.facts import Fact
from cloud.fleet import store
from cloud.fleet.model import MachineNow, Register, SlotNow
from cloud.fleet.states import MachineState
from cloud.storage.reading import Connection
from cloud.storage.tx import Tx
from device_profiles.capabilities import CAPABILITIES, Capability
from device_profiles.capabilities.model import DeviceState
from device_profiles.messages.facts import StatusChanged
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.presence import Presence


class FleetService:
    """Reactions to presence, inventory, reported status and changes of status."""

    def __init__(self, register: Register, clock: Clock) -> None:
        self.register = register
        self._clock = clock

    def note_presence(self, tx: Tx, fact: Fact) -> None:
        """``machine.announced``: keep it, and publish ``machine.online`` or ``machine.offline`` when it changed.

        A higher epoch is a new disk: ``machine.replaced`` says that what the machine remembered is gone.

        The farewell of an agent that has been replaced (its last will came late) is ignored. A greeting never is: by
        its clock, which may have been set back, a new agent can seem older than the one before.
        """
        presence = Presence.model_validate(fact.data, extra="ignore")
        known = store.read_machine(tx.conn, fact.machine)
        if known is not None and _is_of_an_earlier_agent(presence, known.epoch, known.since_ms):
            return
        changed = known is None or known.state != presence.state
        now_ms = to_ms(self._clock.now())
        row = {
            "id": fact.machine,
            "state": presence.state,
            "epoch": presence.epoch,
            "agent_version": presence.agent_version,
            "since_ms": to_ms(presence.since),
            "changed_ms": now_ms if changed or known is None else known.changed_ms,
        }
        store.save_presence(tx.conn, row)
        if known is not None and presence.epoch > known.epoch:
            tx.publish(replace(fact, type="machine.replaced", data={"epoch": presence.epoch}))
        if changed:
            tx.publish(replace(fact, type=f"machine.{presence.state}", data={"epoch": presence.epoch}))

    def note_inventory(self, tx: Tx, fact: Fact) -> None:
        """``machine.inventoried``: keep what the machine is made of."""
        inventory = Inventory.model_validate(fact.data, extra="ignore")
        store.save_inventory(tx.conn, fact.machine, inventory.model_dump(mode="json"), to_ms(fact.at))

    def note_reported(self, tx: Tx, fact: Fact) -> None:
        """``machine.reported``: the whole status of every slot, so the truth after anything that was missed."""
        values = fact.data.get("values", {})
        known = self.register.machine(fact.machine).capabilities
        for slot, status in values.items():
            if slot in known and isinstance(status, Mapping):
                plain = {name: value for name, value in status.items() if _is_plain(value)}
                _board(tx).put(self._row(fact, slot, plain))

    def note_status(self, tx: Tx, fact: Fact) -> None:
        """A fact of a slot with StatusChanged as its data: keep the new value. History is ignored."""
        if not is_status_change(fact):
            return
        change = StatusChanged.model_validate(fact.data, extra="ignore")
        board = _board(tx)
        known = board.get(fact.machine, fact.slot)
        if known is not None and fact.historical:
            return  # a machine reports all of its status before it tells history, whatever the clocks say
        status = {**(known.status if known is not None else {}), change.field: change.value}
        board.put(self._row(fact, fact.slot, status))

    def standing(self, conn: Connection, machines: Sequence[str]) -> dict[str, MachineNow]:
        """How these machines stand now."""
        online = store.online_machines(conn)
        slots: dict[str, dict[str, SlotNow]] = {machine: {} for machine in machines}
        for row in store.read_slots(conn, machines):
            faults = {field: fault["code"] for field, fault in row.faults.items()}
            slots[row.machine][row.slot] = SlotNow(str(row.status.get("device", "starting")), faults)
        return {machine: MachineNow(machine in online, slots[machine]) for machine in machines}

    def fault_now(self, tx: Tx, machine: str, slot: str, field: str) -> str | None:
        """The code of the fault that a status field shows now, what this unit has changed included."""
        row = _board(tx).get(machine, slot)
        fault = row.faults.get(field) if row is not None else None
        return fault["code"] if fault is not None else None

    def state_of(self, tx: Tx, machine: str) -> MachineState:
        """Whether a machine is there."""
        return store.state_of(tx.conn, machine)

    def is_online(self, tx: Tx, machine: str) -> bool:
        """Whether a machine is there now."""
        return self.state_of(tx, machine) is MachineState.ONLINE

    def status_now(self, tx: Tx, machine: str, slot: str) -> Mapping[str, Any] | None:
        """The slot's last status; None while the machine or the peripheral is not online."""
        row = _board(tx).get(machine, slot)
        if row is None or row.status.get("device") != DeviceState.ONLINE or not self.is_online(tx, machine):
            return None
        return row.status

    def _row(self, fact: Fact, slot: str, status: Mapping[str, Any]) -> store.SlotRow:
        capability = self.register.capability(fact.machine, slot)
        return store.SlotRow(fact.machine, slot, dict(status), faults_of(capability, status), to_ms(fact.at))


def _board(tx: Tx) -> store.SlotBoard:
    return tx.keep("fleet.slots", lambda: store.SlotBoard(tx.conn))


def _is_of_an_earlier_agent(presence: Presence, epoch: int, since_ms: int) -> bool:
    return presence.state == "offline" and (presence.epoch, to_ms(presence.since)) < (epoch, since_ms)


def faults_of(capability: Capability, status: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The faults that a status means: field to ``{code, action}``."""
    found = {name: capability.fault_of(name, str(value)) for name, value in status.items()}
    return {
        name: {"code": fault.code, "action": fault.action.value} for name, fault in found.items() if fault is not None
    }


def is_status_change(fact: Fact) -> bool:
    """Whether ``fact`` tells that a status field took another value (``{capability}.{field}_{value}``)."""
    subject, _, what = fact.type.partition(".")
    if subject not in CAPABILITIES or "field" not in fact.data or "value" not in fact.data:
        return False
    return what == f"{fact.data['field']}_{fact.data['value']}"


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)
