"""What an update asks of others: a way to send, the application's self-test, a durable record."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.gate import Target
from firmware_bridge.update.states import UpdateState

Told = Callable[[int, int], None]
"""Called with bytes sent and bytes in all."""


class Standing(StrEnum):
    """How far the device is with a firmware."""

    ABSENT = "absent"
    STORED = "stored"  # in the device, whole, and not to be started
    MARKED = "marked"  # will be tried at the next start
    ON_TRIAL = "on_trial"  # runs, and will be left at the next start unless confirmed
    INSTALLED = "installed"  # runs and stays


class Method(Protocol):
    """One way of getting firmware into a device. Every call can be cancelled, and may raise a BridgeError."""

    async def look(self, firmware: Firmware) -> Standing:
        """Ask the device, change nothing."""

    async def enter(self) -> None:
        """Bring the device to where it takes an image."""

    async def transfer(self, firmware: Firmware, told: Told) -> None:
        """Send it; goes on where an earlier transfer ended when the device allows that."""

    async def mark(self, firmware: Firmware) -> None:
        """Have the device try it at the next start."""

    async def reboot(self) -> None:
        """Start the device anew; returns when it answers. Raises LinkTimeout when it does not."""

    async def confirm(self, firmware: Firmware) -> None:
        """Keep it for good."""

    async def roll_back(self, firmware: Firmware) -> None:
        """Get from ``firmware`` to the previous one; returns when that runs. Raises NoWayBack."""


class Application(Protocol):
    """The device's ordinary side."""

    async def survey(self) -> Target:
        """Who is there; questions only. Raises what the driver raises when it cannot be known."""

    async def test(self, firmware: Firmware) -> None:
        """Identify it and have it test itself. Raises SelfTestFailed, or what the driver raises."""


@dataclass(frozen=True, slots=True)
class Record:
    """An update as it is remembered across the death of the agent. ``digest`` is hex; ``note`` says why it ended."""

    state: UpdateState
    digest: str
    from_version: str
    to_version: str
    hardware: str = ""
    note: str = ""


class Records(Protocol):
    """Where the record of a device is kept."""

    async def save(self, record: Record) -> None:
        """Durable when it returns."""
