"""Updates the firmware of one slot and tells the cloud: begun, sent, and how it ended."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from device_profiles.messages.facts import FirmwareUpdate
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.errors import OutboxFull
from edge_agent.ports import Clock, Outbox
from edge_agent.updates.device import Place, method_of
from edge_agent.updates.shelf import Shelf
from firmware_bridge.transports import Transport
from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.keys import Keys, load_keys
from firmware_bridge.update.ports import Record, Told
from firmware_bridge.update.procedure import Parts, Release, Update
from firmware_bridge.update.states import UpdateState

BEGUN, SENT = "agent.firmware_update_started", "agent.firmware_sent"
_ENDS = {
    UpdateState.DONE: "agent.firmware_updated",
    UpdateState.REFUSED: "agent.firmware_refused",
    UpdateState.FAILED: "agent.firmware_update_failed",
    UpdateState.ROLLED_BACK: "agent.firmware_rolled_back",
    UpdateState.STRANDED: "agent.firmware_stranded",
}
_TOLD = {UpdateState.LOOKING: BEGUN, UpdateState.MARKING: SENT, **_ENDS}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UpdateParts:
    """What the updates of a machine share: one folder per slot in ``folder``; ``key_files`` are read at each update."""

    machine: str
    folder: Path
    key_files: tuple[Path, ...]
    outbox: Outbox
    clock: Clock


@dataclass
class SlotUpdate:
    """One slot's updates. ``told`` hears bytes sent and in all."""

    slot: str
    profile: PeripheralProfile
    parts: UpdateParts
    told: Told = field(default=lambda sent, total: None)

    async def run(self, release: Release, line: Transport) -> Record:
        """Update over ``line``, which is opened and closed here. The record says how it ended.

        Raises ConfigurationError for key files, ProfileError for a profile without ``[update]``, StorageError.
        """
        shelf = Shelf(self.parts.folder / self.slot)
        place = Place(f"{self.parts.machine}/{self.slot}", self.profile, line, self.parts.clock, shelf)
        keys = load_keys(self.parts.key_files)
        if (refused := _refusal(release, place, keys)) is not None:
            return await self._refused(refused)
        await shelf.stage(release)
        async with _opened(line):
            method, application = await method_of(place, keys)
            update = Update(Parts(method, application, _Telling(self, shelf), self.told))
            record = await update.run(release, keys, self.parts.clock.now())
            if record.state is UpdateState.DONE:
                await application.passed(release.read(keys))
        await shelf.clear()
        return record

    async def unfinished(self) -> Release | None:
        """The release of an update that was cut short."""
        return await Shelf(self.parts.folder / self.slot).unfinished()

    async def tell(self, record: Record) -> None:
        """A fact at the start, when all is sent, and at the end."""
        if (fact := _TOLD.get(record.state)) is None:
            return
        body = FirmwareUpdate(
            slot=self.slot,
            profile=self.profile.id,
            image=record.digest,
            from_version=record.from_version,
            to_version=record.to_version,
            note=record.note[:300],
        )
        try:
            await self.parts.outbox.append("agent", fact, body.model_dump(mode="json"), self.parts.clock.now())
        except OutboxFull as error:
            _log.error("slot %s: %s was not told: %s", self.slot, fact, error)

    async def _refused(self, refusal: FirmwareRefused) -> Record:
        record = Record(UpdateState.REFUSED, "", "", "", note=str(refusal))
        await self.tell(record)
        return record


@dataclass(frozen=True, slots=True)
class _Telling:
    """The records of one update: on the disk first, then told."""

    update: SlotUpdate
    shelf: Shelf

    async def save(self, record: Record) -> None:
        _log.info("slot %s: firmware %s %s", self.update.slot, record.to_version or "?", record.state)
        await self.shelf.save(record)
        await self.update.tell(record)


def _refusal(release: Release, place: Place, keys: Keys) -> FirmwareRefused | None:
    """Signature and device type, before the line is even opened."""
    try:
        firmware = release.read(keys)
        if firmware.device_type != place.update.device_type:
            raise FirmwareRefused(
                "device_type", f"expected {place.update.device_type}, the image is for {firmware.device_type}"
            )
        if (place.update.method == "smp") != firmware.mcuboot:
            raise FirmwareRefused(
                "image", f"a device updated by {place.update.method} does not take this kind of image"
            )
    except FirmwareRefused as refusal:
        return refusal
    return None


@asynccontextmanager
async def _opened(line: Transport) -> AsyncIterator[None]:
    await line.open()
    try:
        yield
    finally:
        await line.close()
