"""Tables of the fleet: what machines announced, and the status of their slots."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from cloud.fleet.states import MachineState
from cloud.storage.metadata import Big, Json, metadata
from cloud.storage.upsert import upsert

MACHINES = sa.Table(
    "machines",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("epoch", Big, nullable=False),
    sa.Column("agent_version", sa.Text, nullable=False),
    sa.Column("since_ms", Big, nullable=False),
    sa.Column("changed_ms", Big, nullable=False),
    sa.Column("inventory", Json),
)
SLOTS = sa.Table(
    "slots",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True),
    sa.Column("slot", sa.Text, primary_key=True),
    sa.Column("status", Json, nullable=False),
    sa.Column("faults", Json, nullable=False),
    sa.Column("at_ms", Big, nullable=False),
)


@dataclass(frozen=True, slots=True)
class SlotRow:
    """The status of one slot as stored."""

    machine: str
    slot: str
    status: Mapping[str, Any]
    faults: Mapping[str, Mapping[str, str]]
    at_ms: int


def read_machine(connection: sa.Connection, machine: str) -> sa.Row[Any] | None:
    """What a machine announced, None when it never did."""
    return connection.execute(sa.select(MACHINES).where(MACHINES.c.id == machine)).one_or_none()


def read_machines(connection: sa.Connection) -> dict[str, sa.Row[Any]]:
    """What every machine announced."""
    return {row.id: row for row in connection.execute(sa.select(MACHINES))}


def state_of(connection: sa.Connection, machine: str) -> MachineState:
    """Whether a machine is there."""
    state = connection.scalar(sa.select(MACHINES.c.state).where(MACHINES.c.id == machine))
    return MachineState(state or MachineState.NEVER_SEEN)


def online_machines(connection: sa.Connection) -> frozenset[str]:
    """The machines that are online."""
    query = sa.select(MACHINES.c.id).where(MACHINES.c.state == MachineState.ONLINE)
    return frozenset(connection.scalars(query))


def save_presence(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Write what a machine announced of itself."""
    upsert(connection, MACHINES, [row], ["id"])


def save_inventory(connection: sa.Connection, machine: str, inventory: Mapping[str, Any], now_ms: int) -> None:
    """Write what a machine is made of."""
    row = {
        "id": machine,
        "state": MachineState.NEVER_SEEN.value,
        "epoch": 0,
        "agent_version": "",
        "since_ms": 0,
        "changed_ms": now_ms,
        "inventory": dict(inventory),
    }
    upsert(connection, MACHINES, [row], ["id"], ["inventory"])


def read_slots(connection: sa.Connection, machines: Sequence[str]) -> list[sa.Row[Any]]:
    """The status of every slot of these machines."""
    query = sa.select(SLOTS).where(SLOTS.c.machine.in_(machines)).order_by(SLOTS.c.machine, SLOTS.c.slot)
    return list(connection.execute(query))


class SlotBoard:
    """The slots that one unit of work looks at: a machine's are read together, what changed is written together."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._machines: dict[str, dict[str, SlotRow]] = {}
        self._changed: dict[tuple[str, str], SlotRow] = {}

    def get(self, machine: str, slot: str) -> SlotRow | None:
        """The status of one slot, None when it never reported."""
        slots = self._machines.get(machine)
        if slots is None:
            rows = read_slots(self._connection, [machine])
            slots = {row.slot: SlotRow(row.machine, row.slot, row.status, row.faults, row.at_ms) for row in rows}
            self._machines[machine] = slots
        return slots.get(slot)

    def put(self, row: SlotRow) -> None:
        """Change the status of a slot."""
        self.get(row.machine, row.slot)
        self._machines[row.machine][row.slot] = self._changed[row.machine, row.slot] = row

    def flush(self) -> None:
        """Write what changed."""
        changed, self._changed = self._changed, {}
        upsert(self._connection, SLOTS, [asdict(row) for row in changed.values()], ["machine", "slot"])
