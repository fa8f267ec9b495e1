"""Evaluator pad (评价器; not in XFS4IoT): shows its state, takes one of five grades."""

from typing import Literal

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands


class EvaluatorStatus(Status):
    """Status of a pad."""


class PadArgs(Shape):
    """What the pad shows; ``subject`` is the ticket id that a rating belongs to."""

    mode: Literal["idle", "welcome", "ask_rating", "thanks", "paused"]
    subject: str = Field(default="", max_length=64)


class Rated(Shape):
    """The citizen's grade, GB/T 39735: 5 very satisfied ... 1 very dissatisfied."""

    grade: int = Field(ge=1, le=5)
    subject: str = ""


EVALUATOR = Capability(
    name="evaluator",
    status=EvaluatorStatus,
    commands=commands(Command("show", Effect.IDEMPOTENT, PadArgs)),
    events={"rated": Rated},
)
