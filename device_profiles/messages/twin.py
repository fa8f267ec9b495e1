"""``reported`` (up) and ``desired`` (down): the machine's twin. Retained; the highest version wins."""

from collections.abc import Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal

from pydantic import Field

from device_profiles.messages.body import Body, UtcTime
from device_profiles.messages.envelope import canonical_json


class Twin(Body):
    """Values by name. In ``reported`` each slot's status stands under its slot name."""

    version: int = Field(ge=0)
    values: dict[str, Any] = Field(default_factory=dict)
    base: int | None = Field(
        default=None, ge=0, description="a delta: only what differs from this version, null removes; none: all values"
    )


class ServiceOffer(Body):
    """A service that a ticket machine may offer; ``blocks`` are the numbers it may hand out, in order, inclusive."""

    prefix: str
    name_zh: str
    name_en: str
    blocks: list[tuple[int, int]] = Field(default_factory=list)


class UplinkWish(Body):
    """Another broker address. The machine tries it for ``trial_s`` and keeps the old one when the cloud is not there.

    ``ca``: PEM of the authority that the new broker's certificate is from; empty: as before. The machine's own key and
    certificate stay where they are. A wish that failed is not tried again before it is another one (``attempt``).
    """

    broker: str = Field(min_length=1, max_length=300)
    ca: str = Field(default="", max_length=16_384)
    trial_s: float = Field(default=30.0, ge=1, le=600)
    attempt: int = Field(default=1, ge=1, le=10_000)


class VendorWish(Body):
    """Vendor mode by the twin; see the command ``agent.vendor_mode``. ``at``: when it was decided."""

    phase: Literal["drain", "maintain", "end"]
    at: UtcTime
    for_s: float = Field(default=3600.0, gt=0, le=43_200)


class Wins(StrEnum):
    """Who is right when machine and cloud differ about a field."""

    CLOUD = "cloud"  # the machine takes what the cloud wants
    MACHINE = "machine"  # what the machine does stands; the cloud's wish is a proposal, and reported tells the truth
    NEWEST = "newest"  # both may decide: the later decision (``at``) stands


class DesiredAgent(Body):
    """What the cloud wants of a machine; the typed view of ``desired.values``."""

    public_url: str = ""
    seal_key: str = Field(default="", description="base64 X25519 public key that personal fields are sealed to")
    subject_salt: str = Field(default="", description="hex key of the HMAC that turns an identity into a token")
    day: str = Field(default="", description="the hall's date YYYY-MM-DD that ticket numbers belong to")
    services: dict[str, ServiceOffer] = Field(default_factory=dict)
    items: dict[str, tuple[str, str]] = Field(default_factory=dict, description="journeys offered: id -> (zh, en)")
    uplink: UplinkWish | None = None
    vendor_mode: VendorWish | None = None


CONFLICTS: Mapping[str, Wins] = {
    "public_url": Wins.CLOUD,
    "seal_key": Wins.CLOUD,
    "subject_salt": Wins.CLOUD,
    "day": Wins.CLOUD,
    "services": Wins.CLOUD,  # numbers that were handed out stay handed out: the machine's book knows them
    "items": Wins.CLOUD,
    "uplink": Wins.MACHINE,  # only the machine can tell whether the cloud is reached that way
    "vendor_mode": Wins.NEWEST,  # a technician at the machine decides as well
}
"""The rule of every field of ``DesiredAgent``. What is derived (presence, faults) is no field: nobody can write it."""


def field_digests(values: Mapping[str, Any]) -> dict[str, str]:
    """A short digest of every value: what a machine reports of ``desired``, so that only what differs is sent."""
    return {name: sha256(canonical_json(value)).hexdigest()[:12] for name, value in values.items()}
