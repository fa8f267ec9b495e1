"""The places where slots look for their devices: files, URLs, USB."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from edge_agent.addresses import FileAddress, UrlAddress, UsbAddress
from edge_agent.devices.matching import Scene, Want, sight
from edge_agent.ports import DeviceSource, Place, Sighting
from firmware_bridge.clock import Clock

PASSED_OVER_S = 15.0  # a device may have been asked while it was still starting


class FilePlace:
    """A device file: there when the file is."""

    def __init__(self, path: Path) -> None:
        self.turn = asyncio.Lock()
        self._path = path

    def look(self) -> Sighting:
        try:
            status = os.stat(self._path)
        except OSError:
            return Sighting()
        mark = f"{os.path.realpath(self._path)} {status.st_ino} {status.st_rdev}"
        return Sighting(addresses=(str(self._path),), marks=(mark,))

    def hold(self, address: str) -> None:
        """Nobody else is offered a file that settings name."""

    def release(self) -> None:
        """See ``hold``."""

    def pass_over(self, address: str) -> None:
        """Never asked: a file is certain."""


class UrlPlace(FilePlace):
    """A place that only its transport can find: always there, as far as anybody can tell before it connects."""

    def __init__(self, url: str) -> None:
        super().__init__(Path())
        self._sighting = Sighting(addresses=(url,), marks=(url,))

    def look(self) -> Sighting:
        return self._sighting


class Finder:
    """Shares out the devices of ``source`` among the slots of one machine."""

    def __init__(self, source: DeviceSource, wants: Mapping[str, Want], clock: Clock) -> None:
        self.turn = asyncio.Lock()
        self._source = source
        self._wants = wants
        self._clock = clock
        self._held: dict[str, str] = {}

    def place(self, slot: str) -> Place:
        """Where ``slot`` looks for its device."""
        address = self._wants[slot].address
        if isinstance(address, FileAddress):
            return FilePlace(Path(address.path))
        if isinstance(address, UrlAddress):
            return UrlPlace(address.url)
        return _UsbPlace(self, slot)

    def sight(self, slot: str, passed_over: Sequence[str] = ()) -> Sighting:
        """What ``slot`` finds now."""
        return sight(slot, Scene(self._wants, self._source.devices(), self._held), passed_over)

    def mark(self, node: str) -> str | None:
        """The mark of the device with that file; None when it has left."""
        return next((device.mark for device in self._source.devices() if device.node == node), None)

    def hold(self, slot: str, node: str) -> None:
        """The device with that file is the slot's."""
        self.release(slot)
        if (mark := self.mark(node)) is not None:
            self._held[mark] = slot

    def release(self, slot: str) -> None:
        """The slot has none."""
        self._held = {mark: holder for mark, holder in self._held.items() if holder != slot}

    def now(self) -> float:
        """Seconds, for how long a device is passed over."""
        return self._clock.monotonic()


class _UsbPlace:
    """What is plugged into the machine's USB and may be the slot's."""

    def __init__(self, finder: Finder, slot: str) -> None:
        self.turn = finder.turn
        self._finder = finder
        self._slot = slot
        self._passed: dict[str, float] = {}

    def look(self) -> Sighting:
        now = self._finder.now()
        self._passed = {mark: until for mark, until in self._passed.items() if until > now}
        return self._finder.sight(self._slot, tuple(self._passed))

    def hold(self, address: str) -> None:
        self._finder.hold(self._slot, address)

    def release(self) -> None:
        self._finder.release(self._slot)

    def pass_over(self, address: str) -> None:
        if (mark := self._finder.mark(address)) is not None:
            self._passed[mark] = self._finder.now() + PASSED_OVER_S


def subsystems_of(wants: Mapping[str, Want]) -> list[str]:
    """What has to be watched: the kinds of device that some slot looks for on USB."""
    found = {want.subsystem for want in wants.values() if isinstance(want.address, UsbAddress)}
    return sorted(found - {""})


def all_subsystems(wants: Mapping[str, Want]) -> list[str]:
    """The kinds of device that some slot could have, wherever its address looks."""
    return sorted({want.subsystem for want in wants.values()} - {""})
