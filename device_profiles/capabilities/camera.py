"""Camera (XFS4IoT Camera): takes a picture, and says whether a living person stood before it. Never the only proof."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from device_profiles.capabilities.model import (
    Action,
    Capability,
    Command,
    Effect,
    Fault,
    Shape,
    Status,
    commands,
    personal,
)


class Lens(StrEnum):
    """XFS4IoT Camera.Status: whether pictures come."""

    OK = "ok"
    INOPERATIVE = "inoperative"


class CameraStatus(Status):
    """Status of a camera."""

    lens: Lens | None = None


class PictureArgs(Shape):
    """Wait up to ``wait_s`` for a frame; a picture above ``longest`` bytes is refused."""

    wait_s: float = Field(default=5.0, gt=0, le=60)
    longest: int = Field(default=40_000, ge=1_000, le=46_000, description="bytes of JPEG; a message carries 64 KiB")


class PictureOutput(Shape):
    """One JPEG picture."""

    image: str = personal("JPEG in base64")
    width: int = Field(ge=1)
    height: int = Field(ge=1)


class LivenessOutput(Shape):
    """The verdict of ``method``; ``live`` is None when it could not tell, and then a person decides."""

    live: bool | None
    score: float = Field(default=0.0, ge=0, le=1)
    method: Literal["none", "file"] = "none"


CAMERA = Capability(
    name="camera",
    status=CameraStatus,
    commands=commands(
        Command("take_picture", Effect.READ, PictureArgs, PictureOutput),
        Command("check_liveness", Effect.READ, PictureArgs, LivenessOutput),
    ),
    faults={("lens", Lens.INOPERATIVE): Fault("camera_inoperative", Action.MAINTENANCE)},
)
