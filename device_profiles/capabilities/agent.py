"""The machine itself (slot ``agent``): what a technician and the fleet's operator ask of it, whatever is plugged in."""

from typing import Literal

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands

LONGEST_VENDOR_S = 12 * 3600.0


class VendorModeArgs(Shape):
    """``drain``: the present citizen is served, nobody else. ``maintain``: the slots are a technician's. ``end``: back.

    Ends by its clock after ``for_s``. ``force``: for a technician who stands at the machine and sees that nobody is
    served: a citizen's journey on the screen does not hinder; a command that runs on a slot does, always.
    """

    phase: Literal["drain", "maintain", "end"]
    for_s: float = Field(default=3600.0, gt=0, le=LONGEST_VENDOR_S)
    force: bool = False


class VendorModeOutput(Shape):
    """What the machine is in now."""

    phase: Literal["drain", "maintain", "end"]


AGENT = Capability(
    name="agent",
    status=Status,
    commands=commands(
        # Begins anew from the disk. Done when the next run of the agent finds that it was begun.
        Command("restart_agent", Effect.IDEMPOTENT, disruptive=True),
        # Two papers are as good a test as one.
        Command("test_print", Effect.IDEMPOTENT, disruptive=True),
        # Waits for the citizen by itself: draining is how a machine becomes free.
        Command("vendor_mode", Effect.IDEMPOTENT, VendorModeArgs, VendorModeOutput),
    ),
)
