"""A release from the files that somebody brought."""

from pathlib import Path

from device_profiles.errors import ConfigurationError
from firmware_bridge.update.firmware import MAX_IMAGE
from firmware_bridge.update.procedure import Release
from firmware_bridge.update.statement import MAX_STATEMENT


def read_release(image: Path, manifest: Path | None, approval: Path | None) -> Release:
    """The files as they are, none longer than an image or a statement can be. Raises ConfigurationError."""
    return Release(_read(image, MAX_IMAGE), _optional(manifest), _optional(approval))


def _optional(file: Path | None) -> bytes | None:
    return None if file is None else _read(file, MAX_STATEMENT)


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a file, got: {error.strerror}") from error
    if len(content) > limit:
        raise ConfigurationError(f"{file}: expected at most {limit} bytes")
    return content
