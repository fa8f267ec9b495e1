"""``command`` (down), ``result`` (up), ``ack`` and ``replay`` (down)."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from device_profiles.messages.body import Body


class Outcome(StrEnum):
    """How a command ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class CommandBody(Body):
    """A command for one slot. ``command_id`` is the idempotency key. ``start_by`` bounds how late the machine may begin,
    ``run_for_s`` how long it may take."""

    command_id: str = Field(min_length=1, max_length=120)
    name: str = Field(pattern=r"^[a-z_]{1,40}$")
    args: dict[str, Any] = Field(default_factory=dict)
    start_by: datetime
    run_for_s: float = Field(gt=0, le=3600)
    flow_id: str | None = Field(default=None, max_length=64)


class CommandError(Body):
    """Why a command did not succeed, in XFS words."""

    code: str = Field(max_length=60)
    action: str = Field(max_length=20)
    detail: str = Field(default="", max_length=500)


class ResultBody(Body):
    """The data of a ``result`` envelope (type ``command.finished``)."""

    command_id: str = Field(max_length=120)
    outcome: Outcome
    output: dict[str, Any] = Field(default_factory=dict)
    error: CommandError | None = None
    flow_id: str | None = None


class Ack(Body):
    """Everything up to ``sequence`` of ``epoch`` is committed; the outbox frees it."""

    epoch: int
    sequence: int


class Replay(Body):
    """Send the sequences ``from`` .. ``to`` (inclusive) of ``epoch`` again."""

    epoch: int
    from_: int = Field(alias="from")
    to: int

    def to_bytes(self) -> bytes:
        """The body as it goes on the wire."""
        return self.model_dump_json(by_alias=True).encode()
