"""A slot's device during an update: its driver for who it is and whether it works, its method for the rest."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from device_profiles.capabilities.model import DeviceState, Identity
from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile, Update
from edge_agent.updates.shelf import Known, Shelf
from firmware_bridge.clock import Clock
from firmware_bridge.errors import BridgeError
from firmware_bridge.registry import load_driver
from firmware_bridge.transports import Transport
from firmware_bridge.update.errors import FirmwareRefused, SelfTestFailed
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.gate import Target
from firmware_bridge.update.keys import Keys
from firmware_bridge.update.loader import LoaderMethod
from firmware_bridge.update.loader import Shelf as LoaderShelf
from firmware_bridge.update.ports import Method
from firmware_bridge.update.version import Version, parse_version

AskVersion = Callable[[], Awaitable[Version | None]]


@dataclass(frozen=True, slots=True)
class Place:
    """The device's name (machine/slot), its profile, the open line to it and what is kept for it."""

    name: str
    profile: PeripheralProfile
    line: Transport
    clock: Clock
    shelf: Shelf

    @property
    def update(self) -> Update:
        """How it is updated. Raises ProfileError when its profile does not say."""
        if self.profile.update is None:
            raise ProfileError(f"{self.profile.id}.toml: update: expected how its firmware is updated, got nothing")
        return self.profile.update

    async def identify(self) -> Identity:
        """Who the driver says is there."""
        return await load_driver(self.profile, self.line, self.clock).identify()


class SlotApplication:
    """See ``firmware_bridge.update.ports.Application``."""

    def __init__(self, place: Place, installed: AskVersion, running: AskVersion) -> None:
        self._place = place
        self._installed = installed
        self._running = running

    async def survey(self) -> Target:
        """What the device does not say (it waits in its loader), it said when it last answered."""
        update, known = self._place.update, await self._place.shelf.known()
        installed = await self._installed()
        hardware = update.hardware or await self._revision() or known.hardware
        if installed is None and known.version:
            installed = parse_version(known.version)
        target = Target(self._place.name, update.device_type, hardware, installed, known.counter)
        await self._place.shelf.remember(Known(str(installed or ""), hardware, known.counter))
        return target

    async def test(self, firmware: Firmware) -> None:
        """It is the profile's kind of device, works, and says the new version."""
        driver = load_driver(self._place.profile, self._place.line, self._place.clock)
        try:
            await driver.identify()
            status = await driver.status()
        except BridgeError as error:
            raise SelfTestFailed(f"the new firmware does not answer as a {driver.capability}: {error}") from error
        if status.device in (DeviceState.HARDWARE_ERROR, DeviceState.OFFLINE):
            raise SelfTestFailed(f"the new firmware answers and says {status.device}")
        if (version := await self._running()) != firmware.version:
            raise SelfTestFailed(f"expected version {firmware.version}, the device says {version or 'none'}")

    async def passed(self, firmware: Firmware) -> None:
        """The firmware was confirmed: from now on nothing older, and no lower security counter."""
        known = await self._place.shelf.known()
        counter = max(known.counter, firmware.security_counter or 0)
        await self._place.shelf.remember(replace(known, version=str(firmware.version), counter=counter))

    async def _revision(self) -> str:
        try:
            told = await self._place.identify()
        except BridgeError:
            return ""  # it may be waiting in its loader
        match = re.search(self._place.update.hardware_pattern, told.model)
        return match[1] if match else ""


async def method_of(place: Place, keys: Keys) -> tuple[Method, SlotApplication]:
    """The profile's way of sending, and the application that tells its versions the same way."""
    update = place.update
    if update.method == "smp":
        from firmware_bridge.update.smp import SmpMethod  # here: 6 MiB that a loader device does not need
        from firmware_bridge.update.smp_line import SmpLine

        line = SmpLine(place.line, place.clock, update.framing, update.reply_s)
        smp = SmpMethod(place.line, line, place.clock, erase_s=update.erase_s, boot_s=update.boot_s)
        return smp, SlotApplication(place, smp.installed, smp.running)

    async def running() -> Version | None:
        try:
            told = (await place.identify()).firmware
        except BridgeError:
            return None  # its loader has the line, or nobody
        return parse_version(told) if told else None

    async def keep(firmware: Firmware) -> None:
        await place.shelf.keep()

    shelf = LoaderShelf(await _kept(place, keys), keep, running)
    entry = bytes.fromhex(update.entry)
    loader = LoaderMethod(place.line, place.clock, shelf, flavour=update.method, entry=entry, boot_s=update.boot_s)
    return loader, SlotApplication(place, running, running)


async def _kept(place: Place, keys: Keys) -> Firmware | None:
    """The previous firmware, checked again: a disk is no safer than the road that it came by."""
    release = await place.shelf.kept()
    try:
        return None if release is None else release.read(keys)
    except FirmwareRefused:
        return None
