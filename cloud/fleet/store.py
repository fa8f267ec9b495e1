"""Tables of the fleet: what machines announced, and the status of their slots."""

from collections.abc import Iterable, Mapping, Sequence
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


def read_slot(connection: sa.Connection, machine: str, slot: str) -> sa.Row[Any] | None:
    """The status of one slot, None when it never reported."""
    query = sa.select(SLOTS).where(SLOTS.c.machine == machine, SLOTS.c.slot == slot)
    return connection.execute(query).one_or_none()


def read_slots(connection: sa.Connection, machines: Sequence[str]) -> list[sa.Row[Any]]:
    """The status of every slot of these machines."""
    query = sa.select(SLOTS).where(SLOTS.c.machine.in_(machines)).order_by(SLOTS.c.machine, SLOTS.c.slot)
    return list(connection.execute(query))


def save_slots(connection: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the status of slots."""
    upsert(connection, SLOTS, rows, ["machine", "slot"])
