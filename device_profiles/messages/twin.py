"""``reported`` (up) and ``desired`` (down): the machine's twin. Retained; the highest version wins."""

from typing import Any

from pydantic import Field

from device_profiles.messages.body import Body


class Twin(Body):
    """Values by name. In ``reported`` each slot's status stands under its slot name."""

    version: int = Field(ge=0)
    values: dict[str, Any] = Field(default_factory=dict)


class ServiceOffer(Body):
    """A service that a ticket machine may offer; ``blocks`` are the numbers it may hand out, in order, inclusive."""

    prefix: str
    name_zh: str
    name_en: str
    blocks: list[tuple[int, int]] = Field(default_factory=list)


class DesiredAgent(Body):
    """What the cloud wants of a machine; the typed view of ``desired.values``."""

    public_url: str = ""
    seal_key: str = Field(default="", description="base64 X25519 public key that personal fields are sealed to")
    subject_salt: str = Field(default="", description="hex key of the HMAC that turns an identity into a token")
    day: str = Field(default="", description="the hall's date YYYY-MM-DD that ticket numbers belong to")
    services: dict[str, ServiceOffer] = Field(default_factory=dict)
    items: dict[str, tuple[str, str]] = Field(default_factory=dict, description="journeys offered: id -> (zh, en)")
