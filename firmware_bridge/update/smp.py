"""MCUboot devices: images sent and tried by the Simple Management Protocol (SMP), over our own line.

Two slots: the image goes into the second one, is tried at the next start and is left again at the start after that,
unless it was confirmed. So nothing here can leave the device without a firmware that runs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from smp.image_management import ImageState
from smpclient import SMPClient
from smpclient.exceptions import SMPClientException, SMPUploadError
from smpclient.generics import SMPRequest, TEr1, TEr2, TRep, success
from smpclient.requests.image_management import ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import EchoWrite, ResetWrite

from firmware_bridge.clock import Clock
from firmware_bridge.errors import LinkTimeout, PeerBrokeProtocol, TransportLost
from firmware_bridge.transports import Transport
from firmware_bridge.update.errors import NoWayBack, TransferFailed
from firmware_bridge.update.firmware import Firmware
from firmware_bridge.update.ports import Standing, Told
from firmware_bridge.update.smp_line import SmpLine
from firmware_bridge.update.version import Version, parse_version

RETRY_PAUSE_S = 0.5
UPLOAD_TRIES = 5  # in a row without one byte of progress
TRIALS_LEFT = 3  # one start for what is marked, one to leave it again, one look
NEVER_S = 3600.0  # smpclient's own deadlines, which would run on another clock than ours


class SmpMethod:
    """``reply_s`` for ordinary answers, ``erase_s`` for the first answer of an upload, ``boot_s`` for a start."""

    def __init__(self, transport: Transport, line: SmpLine, clock: Clock, *, erase_s: float, boot_s: float) -> None:
        self._transport = transport
        self._line = line
        self._clock = clock
        self._reply_s, self._erase_s, self._boot_s = line.patience_s, erase_s, boot_s
        self._client = SMPClient(line, "", timeout_s=NEVER_S)

    async def running(self) -> Version | None:
        """The version that runs now; None when the device does not name it."""
        async with self._alone():
            images = await self._states()
        return next((parse_version(image.version) for image in images if image.active), None)

    async def installed(self) -> Version | None:
        """The version that stays: while another one is on trial, that is not the one that runs."""
        async with self._alone():
            images = await self._states()
        kept = [image for image in images if image.confirmed] or [image for image in images if image.active]
        return parse_version(kept[0].version) if kept else None

    async def look(self, firmware: Firmware) -> Standing:
        async with self._alone():
            images = await self._states()
        here = next((image for image in images if image.hash == firmware.digest), None)
        if here is None:
            return Standing.ABSENT
        if here.active:
            return Standing.INSTALLED if here.confirmed else Standing.ON_TRIAL
        return Standing.MARKED if here.pending else Standing.STORED

    async def enter(self) -> None:
        """No loader to enter: the application takes images itself. Learns how long a message may be.

        Another firmware that is marked or on trial holds the second slot: it is started and left again.
        """
        async with self._alone():
            await self._client.connect()
        for _ in range(TRIALS_LEFT):
            async with self._alone():
                images = await self._states()
            if not any(image.pending or (image.active and not image.confirmed) for image in images):
                return
            await self.reboot()
        raise TransferFailed("another firmware is on trial in this device and does not give way to a restart")

    async def transfer(self, firmware: Firmware, told: Told) -> None:
        """Goes on at the offset that the device names; a device that lost its power since begins at 0."""
        total, done, tries = len(firmware.content), -1, 0
        async with self._alone():
            while done != total:
                before = done
                try:
                    done = await self._upload(firmware.content, done, told)
                except (TimeoutError, SMPClientException, ValueError) as error:
                    if isinstance(error, SMPUploadError):
                        raise TransferFailed(f"the device refused the image: {error}") from error
                    done = self._reached
                tries = 0 if done > before else tries + 1
                if tries >= UPLOAD_TRIES:
                    raise TransferFailed(
                        f"no progress at byte {max(done, 0)} of {total} in {tries} tries; run it again"
                    )

    async def mark(self, firmware: Firmware) -> None:
        async with self._alone():
            await self._ask(ImageStatesWrite(hash=firmware.digest, confirm=False))

    async def reboot(self) -> None:
        async with self._alone():
            with suppress(LinkTimeout):  # a device may be gone before it has answered; whether it starts counts
                await self._ask(ResetWrite())
            await self._answers_again()

    async def confirm(self, firmware: Firmware) -> None:
        async with self._alone():
            images = await self._ask(ImageStatesWrite(hash=firmware.digest, confirm=True))
        if not any(image.hash == firmware.digest and image.active and image.confirmed for image in images.images):
            raise TransferFailed("the device did not keep the new firmware although it was told to confirm it")

    async def roll_back(self, firmware: Firmware) -> None:
        """Start it anew, unconfirmed: the boot loader puts the previous image back. A hung one its watchdog starts."""
        await self.reboot()
        async with self._alone():
            images = await self._states()
        if any(image.hash == firmware.digest and image.active for image in images):
            raise NoWayBack("the device still runs the new firmware after a start without its confirmation")

    # --- one request ----------------------------------------------------------------------------------------

    async def _states(self) -> list[ImageState]:
        return (await self._ask(ImageStatesRead())).images

    async def _ask(self, request: SMPRequest[TRep, TEr1, TEr2]) -> TRep:
        try:
            answer = await self._client.request(request)
        except TimeoutError:
            raise LinkTimeout(
                f"expected an answer to {type(request).__name__} within {self._line.patience_s:g} s"
            ) from None
        except (SMPClientException, ValueError) as error:  # ValueError: CBOR or header that nobody can read
            raise PeerBrokeProtocol(
                f"{type(request).__name__}: the answer cannot be read ({type(error).__name__})"
            ) from error
        if success(answer):
            return answer
        raise TransferFailed(f"{type(request).__name__}: the device said no: {answer}")

    async def _upload(self, content: bytes, done: int, told: Told) -> int:
        self._reached = done
        self._line.patience_s = self._erase_s
        try:
            async for offset in self._client.upload(content, first_timeout_s=NEVER_S, use_sha=True):
                self._line.patience_s = self._reply_s
                self._reached = offset
                told(offset, len(content))
        finally:
            self._line.patience_s = self._reply_s
        return self._reached

    async def _answers_again(self) -> None:
        """Until the device answers; a USB device goes away and comes back meanwhile."""
        ends_at = self._clock.monotonic() + self._boot_s
        while self._clock.monotonic() < ends_at:
            await self._clock.sleep(RETRY_PAUSE_S)
            try:
                await self._ask(EchoWrite(d="hallfleet"))
            except (LinkTimeout, PeerBrokeProtocol):
                continue
            except TransportLost:
                await self._reopen()
                continue
            return
        raise LinkTimeout(f"expected the device to answer within {self._boot_s:g} s of its start; is its power on?")

    async def _reopen(self) -> None:
        try:
            await self._transport.open()
        except TransportLost:
            return  # not back yet; the caller's deadline counts

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """The line for several requests: another device on an RS-485 line waits."""
        async with self._transport.turn:
            yield
