"""A checked firmware: what every kind of image says of itself once its signature holds."""

from dataclasses import dataclass

from firmware_bridge.update.version import Version

MAX_IMAGE = 16 * 1024 * 1024  # bytes; more than any peripheral's flash that we know of
DEVICE_TYPE = r"[a-z0-9][a-z0-9-]{0,39}"
HARDWARE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,15}"
MAX_HARDWARE = 16


@dataclass(frozen=True, slots=True)
class Firmware:
    """``content`` is what is sent, ``digest`` (32 bytes) what a signature of ``signed_by`` (a key id) vouches for.

    ``device_type`` is empty and ``hardware`` too while only an image without that knowledge was read.
    """

    version: Version
    content: bytes
    digest: bytes
    signed_by: str
    device_type: str = ""
    hardware: tuple[str, ...] = ()
    security_counter: int | None = None
    mcuboot: bool = False
