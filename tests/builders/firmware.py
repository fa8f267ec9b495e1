"""Firmware for tests: keys, signed images of both kinds, a device with its boot loader on a bench."""

import asyncio
import hashlib
import math
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from device_profiles.capabilities.model import DeviceState
from device_profiles.schema.peripheral import PeripheralProfile
from device_profiles.schema.peripheral import Update as UpdateProfile
from firmware_bridge.errors import LinkTimeout
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from firmware_bridge.update.approval import sign_approval
from firmware_bridge.update.errors import SelfTestFailed
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.gate import Target
from firmware_bridge.update.keys import Keys, PublicKey, key_id
from firmware_bridge.update.loader import LoaderMethod, Shelf
from firmware_bridge.update.manifest import sign_manifest
from firmware_bridge.update.ports import Method, Record
from firmware_bridge.update.procedure import Parts, Release, Update
from firmware_bridge.update.smp import SmpMethod
from firmware_bridge.update.smp_line import SmpLine
from firmware_bridge.update.version import Version, parse_version
from simulators.peripherals import Peer, build_peer
from tests.builders.bench import packaged

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SOON = NOW.replace(hour=5)
HEADER = struct.Struct("<IIHHIIBBHII")
RELEASE_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SECOND_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
STRANGER = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
CURVE_KEY = ec.derive_private_key(7, ec.SECP256R1())


def trusted(*keys: PublicKey) -> Keys:
    """Keys by id; by default all but the stranger's."""
    known = keys or (RELEASE_KEY.public_key(), SECOND_KEY.public_key(), CURVE_KEY.public_key())
    return {key_id(key): key for key in known}


def entry(kind: int, value: bytes) -> bytes:
    """One TLV."""
    return struct.pack("<HH", kind, len(value)) + value


def mcuboot_image(
    version: str = "2.0.0",
    device_type: str = "test-pad",
    hardware: str = "A,B",
    *,
    program: bytes = b"the program " * 40,
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey = RELEASE_KEY,
    counter: int | None = None,
    flags: int = 0,
) -> bytes:
    """A signed MCUboot image."""
    told = parse_version(version)
    inner = (entry(0xA0, device_type.encode()) if device_type else b"") + (
        entry(0xA1, hardware.encode()) if hardware else b""
    )
    if counter is not None:
        inner += entry(0x50, counter.to_bytes(4, "little"))
    guarded = struct.pack("<HH", 0x6908, 4 + len(inner)) + inner if inner else b""
    numbers = (told.major, told.minor, told.revision, told.build)
    body = HEADER.pack(0x96F3B83D, 0, 32, len(guarded), len(program), flags, *numbers, 0) + program + guarded
    digest = hashlib.sha256(body).digest()
    if isinstance(key, ed25519.Ed25519PrivateKey):
        signature = entry(0x24, key.sign(digest))
    else:
        signature = entry(0x22, key.sign(body, ec.ECDSA(hashes.SHA256())))
    area = entry(0x10, digest) + entry(0x01, bytes.fromhex(key_id(key.public_key()))) + signature
    return body + struct.pack("<HH", 0x6907, 4 + len(area)) + area


def manifest_of(content: bytes, version: str = "2.0.0", device_type: str = "test-pad", hardware: str = "A,B") -> bytes:
    """Its manifest, signed with the release key."""
    return sign_manifest(content, device_type, hardware.split(","), parse_version(version), RELEASE_KEY)


def approval_of(
    firmware: Firmware,
    installed: str,
    *,
    device: str = "kiosk-1/pad",
    until: datetime = SOON,
    key: ed25519.Ed25519PrivateKey = SECOND_KEY,
) -> bytes:
    """A second person's approval."""
    return sign_approval(firmware, device, parse_version(installed), until, "the new one loses tickets", key)


def pem_public(key: PublicKey) -> bytes:
    """As a file holds it."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def updatable(profile_id: str, update: dict[str, Any], device: dict[str, Any]) -> PeripheralProfile:
    """A profile of the catalogue with another ``[update]`` and ``[simulator]``."""
    known = packaged().peripheral(profile_id)
    changed = {"update": UpdateProfile.model_validate(update), "simulator": {**known.simulator, **device}}
    return known.model_copy(update=changed)


SMP_UPDATE = {"method": "smp", "device_type": "test-pad", "hardware": "B", "boot_s": 20, "erase_s": 5, "reply_s": 1}
SMALL = {"slot_bytes": 2048, "page_bytes": 512, "smp_buffer": 256, "watchdog_s": 3}


def smp_pad(**device: Any) -> PeripheralProfile:
    """An evaluator pad with MCUboot and a small flash."""
    return updatable("hdp-smp-evaluator", SMP_UPDATE, {**SMALL, **device})


def modem_printer(method: str = "ymodem", **device: Any) -> PeripheralProfile:
    """A printer with a loader for X- or YMODEM and a small flash."""
    known = packaged().peripheral("ticket-80-ymodem").update
    assert known is not None
    update = {**known.model_dump(), "method": method, "device_type": "test-pad", "boot_s": 20}
    return updatable("ticket-80-ymodem", update, {"slot_bytes": 4096, "page_bytes": 512, **device})


AskVersion = Callable[[], Awaitable[Version | None]]


@dataclass
class DriverApplication:
    """The application's side of an update by the profile's driver; what it was asked is counted by the line."""

    profile: PeripheralProfile
    transport: MemoryTransport
    clock: VirtualClock
    installed: AskVersion
    running: AskVersion

    async def survey(self) -> Target:
        update = self.profile.update
        assert update is not None
        return Target("kiosk-1/pad", update.device_type, update.hardware or "B", await self.installed())

    async def test(self, firmware: Firmware) -> None:
        driver = load_driver(self.profile, self.transport, self.clock)
        await driver.identify()
        status = await driver.status()
        if status.device is not DeviceState.ONLINE or await self.running() != firmware.version:
            raise SelfTestFailed(f"expected {firmware.version} online, got {status.device}")


@dataclass
class Updating:
    """A device on a line and all that an update of it needs; ``run`` updates it as a new agent would."""

    profile: PeripheralProfile
    kept: Firmware | None = None
    peer: Any = field(init=False)
    transport: "CountingTransport" = field(init=False)
    clock: VirtualClock = field(init=False)
    memory: "Memory" = field(init=False)

    def __post_init__(self) -> None:
        self.peer, self.transport, self.clock = device_on_a_line(self.profile)
        self.memory = Memory()

    async def run(self, image: bytes, manifest: bytes | None = None, approval: bytes | None = None) -> Record:
        await self.transport.open()
        update = self.profile.update
        assert update is not None
        method, *versions = self._smp(update) if update.method == "smp" else self._modem(update)
        application = DriverApplication(self.profile, self.transport, self.clock, *versions)
        parts = Parts(method, application, self.memory, self.memory.tell)
        return await Update(parts).run(Release(image, manifest, approval), trusted(), NOW)

    def _smp(self, update: UpdateProfile) -> "tuple[Method, AskVersion, AskVersion]":
        line = SmpLine(self.transport, self.clock, update.framing, update.reply_s)
        method = SmpMethod(self.transport, line, self.clock, erase_s=update.erase_s, boot_s=update.boot_s)
        return method, method.installed, method.running

    def _modem(self, update: UpdateProfile) -> "tuple[Method, AskVersion, AskVersion]":
        async def running() -> Version | None:
            try:
                told = await load_driver(self.profile, self.transport, self.clock).identify()
            except LinkTimeout:
                return None
            return parse_version(told.firmware) if told.firmware else None

        async def keep(firmware: Firmware) -> None:
            self.kept = firmware

        assert update.method != "smp"
        shelf = Shelf(self.kept, keep, running)
        entry_bytes = bytes.fromhex(update.entry)
        method = LoaderMethod(
            self.transport, self.clock, shelf, flavour=update.method, entry=entry_bytes, boot_s=update.boot_s
        )
        return method, running, running


@dataclass
class Memory:
    """Records that stay, and what was told of the progress."""

    saved: list[Record] = field(default_factory=list)
    told: list[tuple[int, int]] = field(default_factory=list)
    on_save: Callable[[Record], object] = lambda record: None
    on_tell: Callable[[int], object] = lambda sent: None

    async def save(self, record: Record) -> None:
        self.saved.append(record)
        self.on_save(record)
        await asyncio.sleep(0)  # who cancels the update while it is on the disk is heard here

    def tell(self, sent: int, total: int) -> None:
        self.told.append((sent, total))
        self.on_tell(sent)


class CountingTransport(MemoryTransport):
    """Counts what goes to the device."""

    def __init__(self, peer: Peer, clock: VirtualClock) -> None:
        super().__init__(peer, clock)
        self.written = 0
        self.cut_at = math.inf
        self.cut: Callable[[], object] = lambda: None

    async def write(self, data: bytes) -> None:
        """At byte ``cut_at`` of all that is written, ``cut`` happens: what comes before it arrives."""
        before = self.written
        self.written += len(data)
        if before < self.cut_at <= self.written:
            part = int(self.cut_at) - before
            self.cut_at = math.inf
            await super().write(data[:part])
            self.cut()
            data = data[part:]
        await super().write(data)


def device_on_a_line(profile: PeripheralProfile) -> tuple[Peer, CountingTransport, VirtualClock]:
    """The simulated device, a line to it that is not open, and its clock."""
    clock = VirtualClock()
    peer = build_peer(profile, seed=1, shared={})
    return peer, CountingTransport(peer, clock), clock


def version(text: str) -> Version:
    """Short for tests."""
    return parse_version(text)
