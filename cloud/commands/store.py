"""Table of commands: an outbox to machines, and the record of what came of each."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from cloud.commands.states import OPEN
from cloud.storage.metadata import Big, Json, metadata
from cloud.storage.people import blinded, mentions

COMMANDS = sa.Table(
    "commands",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("slot", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("args", Json, nullable=False),
    sa.Column("flow_id", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("created_ms", Big, nullable=False),
    sa.Column("start_by_ms", Big, nullable=False),
    sa.Column("run_for_ms", Big, nullable=False),
    sa.Column("deadline_ms", Big, nullable=False),
    sa.Column("sent_ms", Big),
    sa.Column("settled_ms", Big),
    sa.Column("output", Json),
    sa.Column("error", Json),
)
_IS_OPEN = COMMANDS.c.state.in_([state.value for state in sorted(OPEN)])
_OPEN_TEXT = sa.text("state IN ('pending', 'sent')")
sa.Index("ix_commands_open", COMMANDS.c.deadline_ms, sqlite_where=_OPEN_TEXT, postgresql_where=_OPEN_TEXT)
sa.Index("ix_commands_machine", COMMANDS.c.machine, COMMANDS.c.id)
Row = sa.Row[Any]


def add(connection: sa.Connection, row: Mapping[str, Any]) -> None:
    """Add a command."""
    connection.execute(sa.insert(COMMANDS).values(dict(row)))


def by_key(connection: sa.Connection, key: str) -> Row | None:
    """The command with this idempotency key."""
    return connection.execute(sa.select(COMMANDS).where(COMMANDS.c.key == key)).one_or_none()


def by_id(connection: sa.Connection, command_id: str) -> Row | None:
    """The command with this id."""
    return connection.execute(sa.select(COMMANDS).where(COMMANDS.c.id == command_id)).one_or_none()


def of_machine(connection: sa.Connection, machine: str, before: str | None, limit: int) -> Sequence[Row]:
    """Commands of a machine, newest first, below id ``before``."""
    query = sa.select(COMMANDS).where(COMMANDS.c.machine == machine)
    if before is not None:
        query = query.where(COMMANDS.c.id < before)
    return connection.execute(query.order_by(COMMANDS.c.id.desc()).limit(limit)).all()


def open_commands(connection: sa.Connection) -> Sequence[Row]:
    """Everything without an outcome, oldest first."""
    return connection.execute(sa.select(COMMANDS).where(_IS_OPEN).order_by(COMMANDS.c.id)).all()


def overdue(connection: sa.Connection, now_ms: int) -> Sequence[Row]:
    """Commands without an outcome whose time is over."""
    return connection.execute(sa.select(COMMANDS).where(_IS_OPEN, COMMANDS.c.deadline_ms <= now_ms)).all()


def next_deadline(connection: sa.Connection) -> int | None:
    """When the next command without an outcome runs out of time."""
    deadline: int | None = connection.scalar(sa.select(sa.func.min(COMMANDS.c.deadline_ms)).where(_IS_OPEN))
    return deadline


def update(connection: sa.Connection, command_id: str, values: Mapping[str, Any]) -> None:
    """Change a command."""
    connection.execute(sa.update(COMMANDS).where(COMMANDS.c.id == command_id).values(dict(values)))


def mark_sent(connection: sa.Connection, command_ids: Sequence[str], now_ms: int) -> None:
    """Note that these are on their way."""
    if command_ids:
        statement = sa.update(COMMANDS).where(COMMANDS.c.id.in_(command_ids), _IS_OPEN)
        connection.execute(statement.values(state="sent", sent_ms=now_ms))


def purge(connection: sa.Connection, before_ms: int, limit: int) -> int:
    """Forget up to ``limit`` commands that were settled before ``before_ms``; how many went."""
    old = sa.select(COMMANDS.c.id).where(~_IS_OPEN, COMMANDS.c.settled_ms < before_ms).order_by(COMMANDS.c.id)
    return connection.execute(sa.delete(COMMANDS).where(COMMANDS.c.id.in_(old.limit(limit)))).rowcount


def count_by_state(connection: sa.Connection) -> dict[str, int]:
    """How many commands are in each open state."""
    query = sa.select(COMMANDS.c.state, sa.func.count()).where(_IS_OPEN).group_by(COMMANDS.c.state)
    return {state: count for state, count in connection.execute(query)}


def flows_of_person(connection: sa.Connection, subject: str) -> set[str]:
    """The flows in which a machine read this person's document. Reads the whole table."""
    found = connection.scalars(sa.select(COMMANDS.c.flow_id).where(mentions(COMMANDS.c.output, [subject])))
    return {flow for flow in found if flow}


def erase_person(connection: sa.Connection, subject: str, flows: Collection[str]) -> list[str]:
    """Take what is personal out of the outputs that hold this token or belong to one of ``flows``; their commands."""
    theirs = sa.or_(mentions(COMMANDS.c.output, [subject]), COMMANDS.c.flow_id.in_(list(flows)))
    changed: list[str] = []
    for row in connection.execute(sa.select(COMMANDS.c.id, COMMANDS.c.output).where(theirs)).all():
        output = blinded(row.output)
        if output != row.output:
            changed.append(row.id)
            connection.execute(sa.update(COMMANDS).where(COMMANDS.c.id == row.id).values(output=output))
    return changed
