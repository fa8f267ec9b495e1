"""Devices whose boot loader takes an image by XMODEM or YMODEM: no second slot, no confirmation of their own.

The way back is the previous image, kept and sent again. A loader that finds no whole image waits for one, so a cut
during the transfer leaves a device that takes the next try.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from firmware_bridge.clock import Clock
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.transports import Transport
from firmware_bridge.update.errors import NoWayBack
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.ports import Standing, Told
from firmware_bridge.update.version import Version
from firmware_bridge.update.xymodem import CANCEL, CRC_MODE, NAK, Flavour, Sender

SILENCE_S = 10.0  # the reference lets a sender wait this long before it sends a block again
RETRY_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is kept for a device between updates: the firmware that was confirmed last, and a place for the next one.

    ``keep`` is durable when it returns. ``running`` tells the version of the application, None when it does not answer.
    """

    kept: Firmware | None
    keep: Callable[[Firmware], Awaitable[None]]
    running: Callable[[], Awaitable[Version | None]]


class LoaderMethod:
    """``entry`` is what the application must receive to start its loader. ``boot_s`` bounds a start."""

    def __init__(
        self, transport: Transport, clock: Clock, shelf: Shelf, *, flavour: Flavour, entry: bytes, boot_s: float
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._shelf = shelf
        self._kept = shelf.kept
        self._flavour: Flavour = flavour
        self._entry = entry
        self._boot_s = boot_s

    async def look(self, firmware: Firmware) -> Standing:
        """Raises NoWayBack when the application runs and no previous image is kept: nothing is begun then.

        The way out is an update to the image that runs already: it is tried, kept, and not sent.
        """
        running = await self._shelf.running()
        if running != firmware.version:
            if running is not None and self._kept is None:
                raise NoWayBack(
                    f"no previous image is kept for this device: first bring that of {running}, which it runs"
                )
            return Standing.ABSENT
        kept = self._kept is not None and self._kept.digest == firmware.digest
        return Standing.INSTALLED if kept else Standing.ON_TRIAL

    async def enter(self) -> None:
        """Returns when the loader asks for an image; it may wait for one already."""
        async with self._transport.turn:
            self._transport.discard_input()
            await self._transport.write(self._entry)
            ends_at = self._clock.monotonic() + self._boot_s
            while not await self._asks(ends_at - self._clock.monotonic()):
                if self._clock.monotonic() >= ends_at:
                    raise LinkTimeout(f"expected the loader to ask for an image (43 or 15) within {self._boot_s:g} s")

    async def transfer(self, firmware: Firmware, told: Told) -> None:
        """Always from the first byte: these protocols have no place to go on at."""
        sender = Sender(firmware.content, self._flavour)
        async with self._transport.turn:
            self._transport.discard_input()  # what the loader said to other words; it will ask again
            try:
                while not sender.done:
                    if answer := await self._step(sender):
                        await self._transport.write(answer)
                    told(sender.sent, len(firmware.content))
            except BaseException:
                await self._give_up()
                raise

    async def mark(self, firmware: Firmware) -> None:
        """Nothing to do: the loader checks the image and starts it."""

    async def reboot(self) -> None:
        """The loader has started it by itself; wait until the application answers."""
        if await self._answered() is None:
            raise LinkTimeout(f"expected the new firmware to answer within {self._boot_s:g} s of the transfer")

    async def confirm(self, firmware: Firmware) -> None:
        """The image becomes the one that is kept for the next way back."""
        await self._shelf.keep(firmware)
        self._kept = firmware

    async def roll_back(self, firmware: Firmware) -> None:
        if self._kept is None:
            raise NoWayBack("no previous image was kept for this device: bring one and update to it")
        await self.enter()
        await self.transfer(self._kept, lambda sent, total: None)
        running = await self._answered()
        if running != self._kept.version:
            raise NoWayBack(f"expected {self._kept.version} to run again, got {running or 'no answer'}")

    async def _step(self, sender: Sender) -> bytes:
        try:
            async with self._clock.timeout(SILENCE_S):
                return sender.receive(await self._transport.read())
        except TimeoutError:
            return sender.silence()

    async def _asks(self, within_s: float) -> bool:
        try:
            async with self._clock.timeout(max(within_s, 0.0)):
                while not {CRC_MODE, NAK} & set(await self._transport.read()):
                    continue
        except TimeoutError:
            return False
        return True

    async def _answered(self) -> Version | None:
        ends_at = self._clock.monotonic() + self._boot_s
        while self._clock.monotonic() < ends_at:
            await self._clock.sleep(RETRY_PAUSE_S)
            try:
                if (running := await self._shelf.running()) is not None:
                    return running
            except TransportLost:
                await self._reopen()
        return None

    async def _reopen(self) -> None:
        try:
            await self._transport.open()
        except TransportLost:
            return  # not back yet; the caller's deadline counts

    async def _give_up(self) -> None:
        """Tell the loader, so that it waits for a new transfer at once instead of timing out."""
        try:
            await self._transport.write(CANCEL)
        except (TransportLost, LinkTimeout):
            return  # it is gone: its own time-out will do
