"""HTTP bodies of commands."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloud.commands.service import MAX_RUN_FOR_S, MAX_START_IN_S
from cloud.commands.states import CommandState
from cloud.commands.store import Row
from cloud.core.clock import from_ms


class NewCommand(BaseModel):
    """What is asked of a machine."""

    model_config = ConfigDict(extra="forbid")

    slot: str = Field(max_length=40)
    name: str = Field(max_length=40)
    args: dict[str, Any] = Field(default_factory=dict)
    start_in_s: float = Field(default=30.0, gt=0, le=MAX_START_IN_S, description="how long it may be out of reach")
    run_for_s: float = Field(default=60.0, gt=0, le=MAX_RUN_FOR_S, description="how long it may take")


class CommandView(BaseModel):
    """A command and what came of it."""

    id: str
    machine: str
    slot: str
    name: str
    args: dict[str, Any]
    flow_id: str | None
    state: CommandState
    created_at: datetime
    start_by: datetime
    run_for_s: float
    settled_at: datetime | None
    output: dict[str, Any] | None
    error: dict[str, Any] | None


class CommandPage(BaseModel):
    """A page of commands; ``next`` is the cursor of the following page."""

    items: list[CommandView]
    next: str | None


def view(row: Row) -> CommandView:
    """A stored command as HTTP shows it."""
    return CommandView(
        id=row.id,
        machine=row.machine,
        slot=row.slot,
        name=row.name,
        args=row.args,
        flow_id=row.flow_id,
        state=CommandState(row.state),
        created_at=from_ms(row.created_ms),
        start_by=from_ms(row.start_by_ms),
        run_for_s=row.run_for_ms / 1000,
        settled_at=None if row.settled_ms is None else from_ms(row.settled_ms),
        output=row.output,
        error=row.error,
    )
