"""The settings of an agent on another way to the cloud."""

import os
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from device_profiles.errors import ConfigurationError
from device_profiles.messages.body import first_problem
from edge_agent.settings import EdgeSettings
from edge_agent.uplink.trial import Road

FOLDER = "uplink"


def settings_for(road: Road, settings: EdgeSettings) -> EdgeSettings:
    """``settings`` with another broker, checked like a file. Raises ConfigurationError."""
    changes: dict[str, object] = {"broker": road.broker}
    if road.ca:
        changes["ca_file"] = _authority(settings.data_dir / FOLDER, road.ca)
    try:
        return EdgeSettings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        raise ConfigurationError(f"uplink: {first_problem(error)}") from error


def _authority(folder: Path, pem: str) -> Path:
    """The authority as a file, whole or not at all."""
    file = folder / f"{sha256(pem.encode()).hexdigest()[:16]}.pem"
    if not file.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_text(pem)
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.rename(file)
    return file
