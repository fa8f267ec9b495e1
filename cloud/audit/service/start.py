"""What a process began with, as far as it may be told: which settings, which catalogue."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic import BaseModel

from device_profiles.messages.envelope import canonical_json

STARTED = "cloud.started"


def start_detail(settings: BaseModel, profiles: Mapping[str, Mapping[str, BaseModel]]) -> dict[str, Any]:
    """The names of settings that differ from their defaults, and digests of all settings and of all profiles.

    Values are told by the digest only: an address may hold a password. Secrets are not in it.
    """
    changed = sorted(name for name, value in settings if value != type(settings).model_fields[name].get_default())
    return {
        "changed": changed,
        "settings": digest_of(settings.model_dump(mode="json")),
        "catalogue": digest_of(
            {
                kind: {name: one.model_dump(mode="json") for name, one in found.items()}
                for kind, found in profiles.items()
            }
        ),
    }


def digest_of(value: Any) -> str:
    """SHA-256 over canonical JSON."""
    return sha256(canonical_json(value)).hexdigest()
