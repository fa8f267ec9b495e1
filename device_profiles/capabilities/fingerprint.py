"""Fingerprint module (XFS4IoT Biometric): only accept or refuse and a score leave the driver.

One exception: a driver that its profile tells so (``export_templates``) hands out the template of an enrolment.
"""

from pydantic import Field

from device_profiles.capabilities.model import Capability, Command, Effect, Shape, Status, commands, personal


class FingerprintStatus(Status):
    """Status of a fingerprint module; ``enrolled`` counts the templates it holds."""

    enrolled: int | None = None


class FingerArgs(Shape):
    """Wait up to ``wait_s`` for a finger; fails with code ``no_capture_data`` after that."""

    wait_s: float = Field(default=30.0, gt=0, le=600)


class EnrolArgs(FingerArgs):
    """Store the finger (taken twice) at ``page`` of the module's database."""

    page: int = Field(ge=0, le=65535)


class EnrolOutput(Shape):
    """``template`` is empty unless the module's profile lets templates out."""

    template: str = personal("the module's own format, in base64")


class MatchOutput(Shape):
    """``page`` and ``score`` are None when nothing matched."""

    matched: bool
    page: int | None = None
    score: int | None = None


class PageArgs(FingerArgs):
    """Compare the finger with the template at ``page`` only."""

    page: int = Field(ge=0, le=65535)


class DeleteArgs(Shape):
    """Forget the template at ``page``."""

    page: int = Field(ge=0, le=65535)


FINGERPRINT = Capability(
    name="fingerprint",
    status=FingerprintStatus,
    commands=commands(
        Command("identify", Effect.READ, FingerArgs, MatchOutput),
        Command("verify", Effect.READ, PageArgs, MatchOutput),
        Command("enrol", Effect.IDEMPOTENT, EnrolArgs, EnrolOutput),
        Command("delete", Effect.IDEMPOTENT, DeleteArgs),
    ),
)
