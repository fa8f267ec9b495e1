"""``command`` (down), ``result`` (up), ``ack`` and ``replay`` (down)."""

from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from device_profiles.messages.body import MAX_INTEGER, Body, UtcTime


class Outcome(StrEnum):
    """How a command ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class CommandBody(Body):
    """A command for one slot; ``command_id`` is the idempotency key.

    ``start_by`` bounds how late the machine may begin, ``run_for_s`` how long it may take.
    """

    command_id: str = Field(min_length=1, max_length=120)
    name: str = Field(pattern=r"^[a-z_]{1,40}$")
    args: dict[str, Any] = Field(default_factory=dict)
    start_by: UtcTime
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


class ReconciledBody(ResultBody):
    """The data of ``command.reconciled``: a command whose outcome was told as unknown, and what the evidence says now.

    ``evidence`` is what was looked at, such as ``printed_total``. An outcome that is still ``unknown`` is the machine's
    last word: its evidence is lost, and a person has to look.
    """

    evidence: str = Field(default="", max_length=60)


class Ack(Body):
    """Everything up to ``sequence`` of ``epoch`` is committed; the outbox frees it. 0: nothing yet."""

    epoch: int = Field(ge=1, le=MAX_INTEGER)
    sequence: int = Field(ge=0, le=MAX_INTEGER)


class Replay(Body):
    """Send the sequences ``from`` .. ``to`` (inclusive) of ``epoch`` again."""

    epoch: int = Field(ge=1, le=MAX_INTEGER)
    from_: int = Field(alias="from", ge=1, le=MAX_INTEGER)
    to: int = Field(ge=1, le=MAX_INTEGER)

    @model_validator(mode="after")
    def _in_order(self) -> "Replay":
        if self.from_ > self.to:
            raise ValueError("expected from to be at most to")
        return self
