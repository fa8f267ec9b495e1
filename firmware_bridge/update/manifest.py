"""The signed manifest: what an image is for, when the image cannot say so itself."""

import hashlib
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import Field

from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.firmware import DEVICE_TYPE, HARDWARE, MAX_HARDWARE, MAX_IMAGE, Firmware
from firmware_bridge.update.keys import Keys
from firmware_bridge.update.mcuboot import looks_like_mcuboot, read_image
from firmware_bridge.update.statement import Statement, read_statement, sign_statement
from firmware_bridge.update.version import Version, parse_version

NAME = "hallfleet-firmware-manifest-1"


class Manifest(Statement):
    """``size`` in bytes and ``sha256`` are of the image file."""

    device_type: str = Field(pattern=f"^{DEVICE_TYPE}$")
    hardware: list[Annotated[str, Field(pattern=f"^{HARDWARE}$")]] = Field(min_length=1, max_length=MAX_HARDWARE)
    version: str = Field(max_length=40)
    size: int = Field(ge=1, le=MAX_IMAGE)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def sign_manifest(
    content: bytes, device_type: str, hardware: list[str], version: Version, key: ed25519.Ed25519PrivateKey
) -> bytes:
    """The manifest file of an image. Raises FirmwareRefused when a field is not as it has to be."""
    values: dict[str, str | int | list[str]] = {
        "statement": NAME,
        "device_type": device_type,
        "hardware": hardware,
        "version": str(version),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return sign_statement(values, key)


def read_firmware(content: bytes, manifest: bytes | None, keys: Keys) -> Firmware:
    """A firmware from its image file, its manifest or both. Raises FirmwareRefused.

    An MCUboot image speaks for itself when it carries device type and hardware; with a manifest both must agree. Any
    other image needs a manifest.
    """
    if not keys:
        raise FirmwareRefused(
            "key", "no key is trusted here: name public keys in firmware_keys, without one no updates"
        )
    image = read_image(content, keys) if looks_like_mcuboot(content) else None
    if manifest is not None:
        return _described(content, read_statement(Manifest, NAME, manifest, keys), image)
    if image is None:
        raise FirmwareRefused(
            "manifest", "expected a manifest: the image is no MCUboot image and cannot vouch for itself"
        )
    if not image.device_type or not image.hardware:
        raise FirmwareRefused(
            "manifest", "expected a manifest, or the TLVs a0h (device type) and a1h (hardware) in the image"
        )
    return image


def _described(content: bytes, manifest: Manifest, image: Firmware | None) -> Firmware:
    digest = hashlib.sha256(content)
    if (len(content), digest.hexdigest()) != (manifest.size, manifest.sha256):
        raise FirmwareRefused("image", "the manifest is of another file: size or SHA-256 differ")
    version = parse_version(manifest.version)
    hardware = tuple(manifest.hardware)
    if image is None:
        return Firmware(version, content, digest.digest(), manifest.signed_by, manifest.device_type, hardware)
    told = (image.version, image.device_type or manifest.device_type, image.hardware or hardware)
    if told != (version, manifest.device_type, hardware):
        raise FirmwareRefused("manifest", "image and manifest differ in version, device type or hardware")
    return Firmware(
        version,
        content,
        image.digest,
        image.signed_by,
        manifest.device_type,
        hardware,
        image.security_counter,
        mcuboot=True,
    )
