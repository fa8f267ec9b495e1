"""Counter display (窗口屏; nearest in XFS4IoT: TextTerminal)."""

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands


class SignageStatus(Status):
    """Status of a display."""


class DisplayArgs(Shape):
    """What is shown: a ticket number such as ``A012`` (empty: nobody is called), the counter's number, a text line."""

    ticket: str = Field(default="", max_length=8)
    counter: int = Field(default=0, ge=0, le=999)
    text: str = Field(default="", max_length=30)


SIGNAGE = Capability(
    name="signage",
    status=SignageStatus,
    commands=commands(Command("show", Effect.IDEMPOTENT, DisplayArgs)),
)
