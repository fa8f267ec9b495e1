"""MCUboot images: parsed with every field bounded, and believed only when a trusted key signed them.

Layout (MCUboot design document; checked against imgtool 2.5.0): a 32-byte header, filled up to its stated size; the
program; a protected TLV area 6908h that the hash covers; a TLV area 6907h with hash, key hash and signature. All
little-endian. Two vendor TLVs of ours in the protected area tell what the image is for: 00A0h the device type, 00A1h
the hardware revisions separated by commas (``imgtool sign --custom-tlv 0x00a0 hdp-pad``).

Stricter than a boot loader on purpose: no byte of the file may be one that the signature does not vouch for.
"""

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.firmware import DEVICE_TYPE, HARDWARE, MAX_HARDWARE, MAX_IMAGE, Firmware
from firmware_bridge.update.keys import Keys, ecdsa_holds, signature_holds
from firmware_bridge.update.version import Version

MAGIC = 0x96F3B83D
HEADER = struct.Struct("<IIHHIIBBHII")  # magic, load, header, protected, size, flags, version (4 fields), pad
AREA = struct.Struct("<HH")  # magic, total
ENTRY = struct.Struct("<HH")  # type, length
AREA_MAGIC, PROTECTED_MAGIC = 0x6907, 0x6908
KEY_HASH, SHA256, ECDSA, ED25519 = 0x01, 0x10, 0x22, 0x24
SECURITY_COUNTER, OUR_DEVICE_TYPE, OUR_HARDWARE = 0x50, 0xA0, 0xA1
MAX_HEADER, MAX_ENTRIES = 8192, 32
# 04h, 08h encrypted; 10h not bootable; 200h to 800h compressed: none of these can be tried by the procedure here.
REFUSED_FLAGS = 0x04 | 0x08 | 0x10 | 0x200 | 0x400 | 0x800
MAX_SIGNATURE = 80  # bytes: 64 for Ed25519, up to 72 for ECDSA


@dataclass(frozen=True, slots=True)
class Parsed:
    """An image's parts; nothing of it is believed yet. ``covered`` is how many bytes the hash is over."""

    version: Version
    covered: int
    protected: dict[int, bytes]
    open: dict[int, bytes]


def looks_like_mcuboot(content: bytes) -> bool:
    """Whether it begins as an MCUboot image does."""
    return content[:4] == MAGIC.to_bytes(4, "little")


def read_image(content: bytes, keys: Keys) -> Firmware:
    """The firmware in a signed image. Raises FirmwareRefused for what no key of ``keys`` signed as it is."""
    parsed = parse_image(content)
    digest = hashlib.sha256(content[: parsed.covered]).digest()
    if parsed.open.get(SHA256) != digest:
        raise _refused("image", "expected the SHA-256 of header and program in its TLV, got another: damaged file?")
    signed_by = parsed.open.get(KEY_HASH, b"").hex()
    if signed_by not in keys:
        raise _refused(
            "key", f"expected a signature of a trusted key (firmware_keys), got one of {signed_by or 'none'}"
        )
    ed25519, ecdsa = parsed.open.get(ED25519), parsed.open.get(ECDSA)
    holds = (ed25519 is not None and signature_holds(keys[signed_by], ed25519, digest)) or (
        ecdsa is not None and ecdsa_holds(keys[signed_by], ecdsa, digest)
    )
    if not holds:
        raise _refused("signature", f"the signature of key {signed_by[:16]} does not fit the image")
    return Firmware(
        version=parsed.version,
        content=content,
        digest=digest,
        signed_by=signed_by,
        device_type=_device_type(parsed.protected),
        hardware=_hardware(parsed.protected),
        security_counter=_counter(parsed.protected),
        mcuboot=True,
    )


def parse_image(content: bytes) -> Parsed:
    """The parts of an image, nothing believed. Raises FirmwareRefused naming the part that is out of bounds."""
    if not HEADER.size <= len(content) <= MAX_IMAGE:
        raise _refused("image", f"expected {HEADER.size} to {MAX_IMAGE} bytes, got {len(content)}")
    magic, _, header, protected, size, flags, *version, _ = HEADER.unpack_from(content)
    if magic != MAGIC:
        raise _refused("image", f"expected an MCUboot image (magic {MAGIC:08x}h), got {magic:08x}h")
    if not HEADER.size <= header <= MAX_HEADER or not 0 < size <= len(content) - header:
        raise _refused("image", f"header of {header} and program of {size} bytes do not fit a file of {len(content)}")
    if flags & REFUSED_FLAGS:
        raise _refused("image", f"expected a plain bootable image, got flags {flags:x}h (encrypted, compressed ...)")
    at = header + size
    guarded = _area(content, at, PROTECTED_MAGIC, protected) if protected else {}
    covered = at + protected
    loose = _area(content, covered, AREA_MAGIC, len(content) - covered)
    wanted = {KEY_HASH, SHA256}
    if loose.keys() - wanted not in ({ED25519}, {ECDSA}) or not loose.keys() >= wanted:
        shown = ", ".join(f"{kind:02x}h" for kind in sorted(loose))
        raise _refused("image", f"expected TLVs 01h, 10h and one signature (22h or 24h), got {shown or 'none'}")
    return Parsed(Version(*version), covered, guarded, loose)


def _area(content: bytes, at: int, magic: int, length: int) -> dict[int, bytes]:
    """The TLVs of one area that must be exactly ``length`` bytes long."""
    if length < AREA.size or at + length > len(content):
        raise _refused("image", f"expected a TLV area {magic:04x}h at {at}, the file ends before it does")
    found, total = AREA.unpack_from(content, at)
    if (found, total) != (magic, length):
        raise _refused(
            "image", f"expected TLV area {magic:04x}h of {length} bytes at {at}, got {found:04x}h of {total} (padded?)"
        )
    entries: dict[int, bytes] = {}
    for kind, value in _entries(content[at + AREA.size : at + length]):
        if kind in entries or len(entries) >= MAX_ENTRIES:
            raise _refused("image", f"TLV {kind:02x}h: expected it once, and at most {MAX_ENTRIES} of them")
        entries[kind] = value
    return entries


def _entries(area: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(area):
        if at + ENTRY.size > len(area):
            raise _refused("image", "expected a whole TLV entry at the end of its area")
        kind, length = ENTRY.unpack_from(area, at)
        at += ENTRY.size
        if at + length > len(area) or (kind in (ED25519, ECDSA) and length > MAX_SIGNATURE):
            raise _refused("image", f"TLV {kind:02x}h: {length} bytes do not fit its area")
        yield kind, area[at : at + length]
        at += length


def _device_type(entries: dict[int, bytes]) -> str:
    text = _text(entries.get(OUR_DEVICE_TYPE, b""))
    if text and not re.fullmatch(DEVICE_TYPE, text):
        raise _refused("image", "TLV a0h: expected a device type such as hdp-pad")
    return text


def _hardware(entries: dict[int, bytes]) -> tuple[str, ...]:
    text = _text(entries.get(OUR_HARDWARE, b""))
    revisions = tuple(text.split(",")) if text else ()
    if len(revisions) > MAX_HARDWARE or not all(re.fullmatch(HARDWARE, revision) for revision in revisions):
        raise _refused("image", "TLV a1h: expected hardware revisions such as A,B2")
    return revisions


def _counter(entries: dict[int, bytes]) -> int | None:
    value = entries.get(SECURITY_COUNTER)
    if value is None:
        return None
    if len(value) != 4:
        raise _refused("image", f"TLV 50h: expected a security counter of 4 bytes, got {len(value)}")
    return int.from_bytes(value, "little")


def _text(value: bytes) -> str:
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise _refused("image", "expected ASCII in the TLVs a0h and a1h") from None


def _refused(reason: str, detail: str) -> FirmwareRefused:
    return FirmwareRefused(reason, detail)
