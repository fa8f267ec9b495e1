"""A second person's word that one device may go back to an older firmware."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import Field

from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.keys import Keys
from firmware_bridge.update.statement import Statement, read_statement, sign_statement
from firmware_bridge.update.version import Version, parse_version

NAME = "hallfleet-firmware-approval-1"
LONGEST = timedelta(days=31)


class Approval(Statement):
    """``image`` is the firmware's digest in hex, ``device`` is machine/slot, times are ISO 8601 in UTC."""

    image: str = Field(pattern=r"^[0-9a-f]{64}$")
    device: str = Field(min_length=3, max_length=140)
    from_version: str = Field(max_length=40)
    to_version: str = Field(max_length=40)
    expires_at: str = Field(max_length=40)
    reason: str = Field(min_length=3, max_length=200)


def sign_approval(
    firmware: Firmware,
    device: str,
    installed: Version,
    expires_at: datetime,
    reason: str,
    key: ed25519.Ed25519PrivateKey,
) -> bytes:
    """The approval file."""
    values: dict[str, str | int] = {
        "statement": NAME,
        "image": firmware.digest.hex(),
        "device": device,
        "from_version": str(installed),
        "to_version": str(firmware.version),
        "expires_at": expires_at.astimezone(UTC).isoformat(timespec="seconds"),
        "reason": reason,
    }
    return sign_statement(values, key)


def check_approval(file: bytes, keys: Keys, firmware: Firmware, device: str, installed: Version, now: datetime) -> None:
    """Raises FirmwareRefused unless another trusted key than the release's allows exactly this, and still does."""
    approval = read_statement(Approval, NAME, file, keys)
    if approval.signed_by == firmware.signed_by:
        raise FirmwareRefused(
            "approval", "expected the signature of a second person, got the key of the release itself"
        )
    told = (approval.image, approval.device, parse_version(approval.from_version), parse_version(approval.to_version))
    wanted = (firmware.digest.hex(), device, installed, firmware.version)
    names = ("image", "device", "from_version", "to_version")
    for name, got, expected in zip(names, told, wanted, strict=True):
        if got != expected:
            raise FirmwareRefused("approval", f"{name}: expected {expected}, the approval is for {got}")
    left = _time(approval.expires_at) - now
    if not timedelta() < left <= LONGEST:
        raise FirmwareRefused(
            "approval", f"expected an end within {LONGEST.days} days from now, got {approval.expires_at}"
        )


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise FirmwareRefused("approval", "expires_at: expected a time such as 2026-03-02T01:00:00Z") from None
    if time.utcoffset() is None:
        raise FirmwareRefused("approval", "expires_at: expected a time with its offset, such as Z")
    return time
