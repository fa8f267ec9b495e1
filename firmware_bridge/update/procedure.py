"""One update of one device, from the first look to its end; ``states.py`` is the table that it follows.

The device is asked where it stands before anything is sent, so an update that was cut short (power, cable, a killed
agent) is simply run again: it goes on where the device is. The record tells an onlooker, and the agent's next start,
that an update was under way; it is written before the step it speaks of.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from firmware_bridge.errors import BridgeError
from firmware_bridge.update.errors import FirmwareRefused, NoWayBack
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.gate import admit
from firmware_bridge.update.keys import Keys
from firmware_bridge.update.manifest import read_firmware
from firmware_bridge.update.ports import Application, Method, Record, Records, Standing, Told
from firmware_bridge.update.states import ENDS, UpdateState, UpdateStep, after

_FROM = {
    Standing.ABSENT: UpdateStep.NEEDED,
    Standing.STORED: UpdateStep.STORED_ALREADY,
    Standing.MARKED: UpdateStep.MARKED_ALREADY,
    Standing.ON_TRIAL: UpdateStep.ON_TRIAL_ALREADY,
    Standing.INSTALLED: UpdateStep.INSTALLED_ALREADY,
}


@dataclass(frozen=True, slots=True)
class Release:
    """What somebody brings: the files as they are, nothing believed."""

    image: bytes
    manifest: bytes | None = None
    approval: bytes | None = None

    def read(self, keys: Keys) -> Firmware:
        """The firmware, if a trusted key signed it. Raises FirmwareRefused."""
        return read_firmware(self.image, self.manifest, keys)


@dataclass(frozen=True, slots=True)
class Parts:
    """What an update works with. ``told`` hears the state's progress in bytes."""

    method: Method
    application: Application
    records: Records
    told: Told


class Update:
    """``run`` once. ``state`` can be watched meanwhile."""

    def __init__(self, parts: Parts) -> None:
        self.state = UpdateState.VERIFYING
        self._parts = parts
        self._record = Record(self.state, "", "", "")

    async def run(self, release: Release, keys: Keys, now: datetime) -> Record:
        """Take the release through to an end and say which. A refusal is an end as well; nothing was sent then.

        Cancelling it leaves the device as if the power had been cut: run it again.
        """
        try:
            firmware = await self._admitted(release, keys, now)
        except FirmwareRefused as refusal:
            return await self._step(UpdateStep.REFUSED, refusal)
        except BridgeError as error:
            return await self._step(UpdateStep.BROKE, error)
        await self._step(UpdateStep.ADMITTED)
        while self.state not in ENDS:
            step, failure = await self._act(firmware)
            await self._step(step, failure)
        return self._record

    async def _admitted(self, release: Release, keys: Keys, now: datetime) -> Firmware:
        """Signature and kind first: a device is not even asked its name for an image that nobody vouches for."""
        firmware = release.read(keys)
        self._record = replace(self._record, digest=firmware.digest.hex(), to_version=str(firmware.version))
        target = await self._parts.application.survey()
        self._record = replace(self._record, from_version=str(target.installed or ""), hardware=target.hardware)
        admit(firmware, target, keys, release.approval, now)
        return firmware

    async def _step(self, step: UpdateStep, error: BridgeError | None = None) -> Record:
        self.state = after(self.state, step)
        # The first error is why; the later ones are what came of it.
        note = str(error) if error is not None and not self._record.note else self._record.note
        self._record = replace(self._record, state=self.state, note=note)
        await self._parts.records.save(self._record)
        return self._record

    async def _act(self, firmware: Firmware) -> tuple[UpdateStep, BridgeError | None]:
        """Do what the state asks for; what came of it, and the error if one did."""
        if self.state is UpdateState.ROLLING_BACK:
            return await self._roll_back(firmware)
        try:
            return await self._acts()[self.state](firmware), None
        except BridgeError as error:
            return UpdateStep.BROKE, error

    def _acts(self) -> dict[UpdateState, Callable[[Firmware], Awaitable[UpdateStep]]]:
        return {
            UpdateState.LOOKING: self._look,
            UpdateState.ENTERING: self._enter,
            UpdateState.TRANSFERRING: self._transfer,
            UpdateState.MARKING: self._mark,
            UpdateState.REBOOTING: self._reboot,
            UpdateState.TESTING: self._test,
            UpdateState.CONFIRMING: self._confirm,
        }

    async def _look(self, firmware: Firmware) -> UpdateStep:
        return _FROM[await self._parts.method.look(firmware)]

    async def _enter(self, firmware: Firmware) -> UpdateStep:
        await self._parts.method.enter()
        return UpdateStep.ENTERED

    async def _transfer(self, firmware: Firmware) -> UpdateStep:
        await self._parts.method.transfer(firmware, self._parts.told)
        return UpdateStep.SENT

    async def _mark(self, firmware: Firmware) -> UpdateStep:
        await self._parts.method.mark(firmware)
        return UpdateStep.MARKED

    async def _reboot(self, firmware: Firmware) -> UpdateStep:
        await self._parts.method.reboot()
        return UpdateStep.STARTED

    async def _test(self, firmware: Firmware) -> UpdateStep:
        await self._parts.application.test(firmware)
        return UpdateStep.PASSED

    async def _confirm(self, firmware: Firmware) -> UpdateStep:
        await self._parts.method.confirm(firmware)
        return UpdateStep.CONFIRMED

    async def _roll_back(self, firmware: Firmware) -> tuple[UpdateStep, BridgeError | None]:
        """The device is asked once more: it may have confirmed, and only its answer was lost."""
        method = self._parts.method
        try:
            if await self._confirmed_after_all(firmware):
                return UpdateStep.INSTALLED_ALREADY, None
            await method.roll_back(firmware)
        except BridgeError as error:
            return UpdateStep.LOST, NoWayBack(f"the previous firmware did not come back: {error}")
        return UpdateStep.REVERTED, None

    async def _confirmed_after_all(self, firmware: Firmware) -> bool:
        try:
            return await self._parts.method.look(firmware) is Standing.INSTALLED
        except BridgeError:
            return False  # it does not answer: then it has to be started anew in any case
