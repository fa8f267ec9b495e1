"""Whether a checked firmware may go into this device. Asked before a byte is sent."""

from dataclasses import dataclass
from datetime import datetime

from firmware_bridge.update.approval import check_approval
from firmware_bridge.update.errors import FirmwareRefused
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.keys import Keys
from firmware_bridge.update.version import Version


@dataclass(frozen=True, slots=True)
class Target:
    """The device as profile and device itself tell it. ``name`` is machine/slot.

    ``installed`` is None only where nothing was ever known of the device's firmware; ``counter`` is the highest
    security counter that ran here.
    """

    name: str
    device_type: str
    hardware: str
    installed: Version | None
    counter: int = 0


def admit(firmware: Firmware, target: Target, keys: Keys, approval: bytes | None, now: datetime) -> None:
    """Raises FirmwareRefused unless the firmware is for this device type and hardware, and no downgrade.

    A downgrade needs an ``approval``; a lower security counter is refused whoever approves: the boot loader would, too.
    """
    if firmware.device_type != target.device_type:
        raise FirmwareRefused("device_type", f"expected {target.device_type}, the image is for {firmware.device_type}")
    if target.hardware not in firmware.hardware:
        told = target.hardware or "a device that does not tell its revision (profile: update.hardware)"
        raise FirmwareRefused("hardware", f"the image is for {', '.join(firmware.hardware)}, this is {told}")
    if firmware.security_counter is not None and firmware.security_counter < target.counter:
        raise FirmwareRefused(
            "security_counter", f"expected at least {target.counter}, the image has {firmware.security_counter}"
        )
    if target.installed is None or firmware.version >= target.installed:
        return
    if approval is None:
        raise FirmwareRefused(
            "downgrade",
            f"{target.installed} is installed, the image is {firmware.version}: a second person must approve it "
            "(hallfleet firmware approve)",
        )
    check_approval(approval, keys, firmware, target.name, target.installed, now)
