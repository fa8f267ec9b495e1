"""``hallfleet firmware keygen | sign | show | verify | approve``: for makers of images and those who approve."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device_profiles.errors import ConfigurationError
from firmware_bridge.update.approval import LONGEST, sign_approval
from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.firmware import MAX_IMAGE, Firmware
from firmware_bridge.update.gate import Target, admit
from firmware_bridge.update.keys import load_keys, load_private, make_key
from firmware_bridge.update.manifest import read_firmware, sign_manifest
from firmware_bridge.update.mcuboot import looks_like_mcuboot, parse_image
from firmware_bridge.update.statement import MAX_STATEMENT
from firmware_bridge.update.version import parse_version


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; 0 when it did what was asked, 1 when an image is refused, 2 when files or words are wrong."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.verb(options))
    except FirmwareRefused as refusal:
        print(f"hallfleet firmware: refused: {refusal}", file=sys.stderr)
        return 1
    except ConfigurationError as error:
        print(f"hallfleet firmware: {error}", file=sys.stderr)
        return 2


def keygen(options: argparse.Namespace) -> int:
    """Make an Ed25519 key pair: FILE (yours alone, mode 0600) and FILE.pub (for firmware_keys). One key per person."""
    public = options.file.with_name(f"{options.file.name}.pub")
    made = make_key(options.file, public)
    print(f"key {made}\nprivate {options.file}\npublic  {public}")
    return 0


def sign(options: argparse.Namespace) -> int:
    """Write the signed manifest of an image. MCUboot images are signed by imgtool with the same key file."""
    manifest = sign_manifest(
        _bytes(options.image, MAX_IMAGE),
        options.device_type,
        options.hardware.split(","),
        parse_version(options.version),
        load_private(options.key),
    )
    _write(options.out, manifest)
    print(f"{options.out}: manifest of {options.image}")
    return 0


def show(options: argparse.Namespace) -> int:
    """Say what an MCUboot image contains; nothing of it is believed."""
    content = _bytes(options.image, MAX_IMAGE)
    if not looks_like_mcuboot(content):
        print(f"{options.image}: {len(content)} bytes, no MCUboot image: its manifest says what it is")
        return 0
    parsed = parse_image(content)
    print(f"{options.image}: MCUboot image {parsed.version}, {len(content)} bytes, not verified")
    for place, entries in (("protected", parsed.protected), ("signature", parsed.open)):
        for kind, value in entries.items():
            print(f"  {place} TLV {kind:04x}h, {len(value)} bytes: {value[:48].hex()}")
    return 0


def verify(options: argparse.Namespace) -> int:
    """Check signature and fields of an image with public keys, as an agent does."""
    firmware = _firmware(options)
    if options.device_type:
        target = Target("-", options.device_type, options.hardware_is or firmware.hardware[0], None)
        admit(firmware, target, {}, None, datetime.now(UTC))
    counter = "" if firmware.security_counter is None else f", security counter {firmware.security_counter}"
    print(f"{options.image}: {firmware.device_type} {firmware.version} for {', '.join(firmware.hardware)}{counter}")
    print(f"digest {firmware.digest.hex()}\nsigned by {firmware.signed_by}")
    return 0


def approve(options: argparse.Namespace) -> int:
    """Allow one device to go back to an older image. Not with the key that signed the image: four eyes."""
    firmware = _firmware(options)
    expires_at = datetime.now(UTC) + timedelta(hours=options.hours)
    installed = parse_version(options.installed)
    key = load_private(options.key)
    _write(options.out, sign_approval(firmware, options.device, installed, expires_at, options.reason, key))
    print(f"{options.out}: {options.device} may go from {installed} to {firmware.version} until {expires_at:%F %R} UTC")
    return 0


def _firmware(options: argparse.Namespace) -> Firmware:
    manifest = None if options.manifest is None else _bytes(options.manifest, MAX_STATEMENT)
    return read_firmware(_bytes(options.image, MAX_IMAGE), manifest, load_keys(options.public))


def _bytes(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(limit + 1)  # one more, so that what is too long is refused as such
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a file, got: {error.strerror}") from error


def _write(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise ConfigurationError(f"{file}: expected a place for a file, got: {error.strerror}") from error


def _hours(text: str) -> int:
    most = LONGEST // timedelta(hours=1)
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"expected 1 to {most} hours, got {text!r}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hallfleet firmware", description="Keys, images and approvals of firmware.")
    verbs = parser.add_subparsers(required=True, metavar="keygen|sign|show|verify|approve")
    parsers = {}
    for verb in (keygen, sign, show, verify, approve):
        sub = verbs.add_parser(verb.__name__, help=verb.__doc__, description=verb.__doc__)
        sub.set_defaults(verb=verb)
        parsers[verb.__name__] = sub
    parsers["keygen"].add_argument("file", type=Path)
    for name in ("sign", "show", "verify", "approve"):
        parsers[name].add_argument("image", type=Path)
    for name in ("sign", "approve"):
        parsers[name].add_argument("--key", type=Path, required=True, help="your private key")
        parsers[name].add_argument("--out", type=Path, required=True, help="file to write")
    for name in ("verify", "approve"):
        parsers[name].add_argument("--manifest", type=Path)
        parsers[name].add_argument("--public", type=Path, action="append", required=True, help="trusted public key")
    parsers["sign"].add_argument("--device-type", required=True)
    parsers["sign"].add_argument("--hardware", required=True, help="revisions, separated by commas")
    parsers["sign"].add_argument("--version", required=True, help="such as 1.2.3+4")
    parsers["verify"].add_argument("--device-type", help="check that the image is for it")
    parsers["verify"].add_argument("--hardware", dest="hardware_is", help="check that the image is for this revision")
    parsers["approve"].add_argument("--device", required=True, help="machine/slot")
    parsers["approve"].add_argument("--from", dest="installed", required=True, help="version installed there")
    parsers["approve"].add_argument("--hours", type=_hours, default=24)
    parsers["approve"].add_argument("--reason", required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
