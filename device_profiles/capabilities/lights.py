"""Guide lights beside the slots of a machine (XFS4IoT Lights): where to put the card, where the paper comes."""

from typing import Literal

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands


class LightsStatus(Status):
    """Status of a light controller."""


class LightArgs(Shape):
    """Set one light, named after the slot beside it; a light that the profile does not wire is refused."""

    light: str = Field(min_length=1, max_length=32)
    flash: Literal["off", "slow", "medium", "quick", "continuous"]
    color: Literal["default", "red", "green", "yellow", "blue", "white"] = "default"


LIGHTS = Capability(
    name="lights",
    status=LightsStatus,
    commands=commands(
        Command("set", Effect.IDEMPOTENT, LightArgs),
        Command("all_off", Effect.IDEMPOTENT),
    ),
)
