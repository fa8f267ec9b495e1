"""A device that speaks its own frames over USB bulk endpoints: pyusb over libusb, in threads beside the event loop.

Calls of libusb block. One thread waits for what the device sends, another one writes; both look up at least every
``PATIENCE_S``, and libusb ends their calls at once when the device is unplugged.
"""

import asyncio
import errno
import logging
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from device_profiles.schema.peripheral import PeripheralProfile, Usb
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.transports import Transport
from firmware_bridge.transports._usb_address import UsbAddress, endpoints_of, find_device
from firmware_bridge.transports.serial import SerialTransport

PATIENCE_S = 0.25  # how long a waiting thread may take to notice that the transport was closed
BODY_S = 1.0  # a body follows its header at once
STALL_S = 2.0
HELD_LIMIT = 64 * 1024  # bytes nobody has read yet; beyond it the device is not asked for more
_PIECE = 4096  # a multiple of every packet size, so that no packet overflows it


class UsbTransport:
    """One USB device, its interface claimed for ourselves. ``write`` takes one whole frame at a time.

    ``backend`` is a pyusb backend; None finds libusb. Bytes that are on their way while nobody reads are kept.
    """

    def __init__(self, address: UsbAddress, usb: Usb, backend: Any = None) -> None:
        self.turn = asyncio.Lock()
        self._address = address
        self._usb = usb
        self._backend = backend
        self._device: Any = None
        self._lost = "not open: call open() first"
        self._received: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._closing = threading.Event()
        self._handle = threading.Lock()  # not while a transfer to the device runs: closing it
        self._threads: ThreadPoolExecutor | None = None
        self._listening: asyncio.Future[None] | None = None

    async def open(self) -> None:
        await self.close()
        self._closing.clear()
        self._received.clear()
        self._arrived.clear()
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="usb")
        loop = asyncio.get_running_loop()
        try:
            self._device = await loop.run_in_executor(self._threads, self._take)
        except BaseException:
            self._threads.shutdown(wait=False)
            self._threads = None
            raise
        self._lost = ""
        self._listening = loop.run_in_executor(self._threads, self._listen, loop)

    async def write(self, data: bytes) -> None:
        self._check()
        head = self._usb.header
        parts = [(self._usb.header_out, data[:head]), (self._usb.out, data[head:])]
        # Shielded: a transfer that has begun cannot be taken back, and the next one must not overtake it.
        await asyncio.shield(self._in_thread(self._send, self._device, [(end, part) for end, part in parts if part]))

    async def read(self) -> bytes:
        while not self._received:
            self._check()
            self._arrived.clear()
            await self._arrived.wait()
        return self._take_received()

    def discard_input(self) -> int:
        self._check()
        return len(self._take_received())

    async def close(self) -> None:
        if self._threads is None:
            return
        self._lose("closed")
        threads, self._threads = self._threads, None
        device, self._device = self._device, None
        self._closing.set()
        if self._listening is not None:
            await asyncio.wait([self._listening])
            self._listening = None
        await asyncio.get_running_loop().run_in_executor(threads, self._give_back, device)
        threads.shutdown(wait=True)

    # --- on the loop --------------------------------------------------------------------------------------------

    def _in_thread(self, call: Any, *args: object) -> "asyncio.Future[None]":
        return asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    def _take_received(self) -> bytes:
        taken = b"".join(self._received)
        self._received.clear()
        return taken

    def _lose(self, reason: str) -> None:
        self._lost = self._lost or reason
        self._arrived.set()

    def _check(self) -> None:
        if self._lost:
            raise self._gone(self._lost)

    def _gone(self, reason: object) -> TransportLost:
        return TransportLost(f"usb {self._address}: the device is gone ({reason}); open it again when it is back")

    # --- in threads: nothing here touches what belongs to the loop, but the deque, which is safe for that ---------

    def _take(self) -> Any:
        import usb.core
        import usb.util

        logging.getLogger("usb").setLevel(logging.WARNING)  # with PYUSB_DEBUG set, pyusb would log every byte
        try:
            device = find_device(self._address, self._backend)
        except usb.core.NoBackendError as error:
            raise TransportLost("usb: expected libusb-1.0 on this system, found none: install it") from error
        try:
            with suppress(NotImplementedError, usb.core.USBError):  # no kernel driver, or a system without them
                device.detach_kernel_driver(self._usb.interface)
            self._check_endpoints(device)
            usb.util.claim_interface(device, self._usb.interface)
        except usb.core.USBError as error:
            usb.util.dispose_resources(device)
            raise TransportLost(
                f"usb {self._address}: expected a device that nobody else uses and this user may open, got: {error}"
            ) from error
        except TransportLost:
            usb.util.dispose_resources(device)
            raise
        return device

    def _check_endpoints(self, device: Any) -> None:
        usb = self._usb
        wanted = {usb.out, usb.in_} | ({usb.header_out, usb.header_in} if usb.header else set())
        if missing := wanted - endpoints_of(device, usb.interface):
            names = ", ".join(f"{endpoint:02X}" for endpoint in sorted(missing))
            raise TransportLost(f"usb {self._address}: expected endpoints {names}, the device has none: another model?")

    def _give_back(self, device: Any) -> None:
        import usb.core
        import usb.util

        with self._handle:
            with suppress(usb.core.USBError):  # unplugged: there is nothing left to give back
                usb.util.release_interface(device, self._usb.interface)
            usb.util.dispose_resources(device)

    def _send(self, device: Any, parts: list[tuple[int, bytes]]) -> None:
        import usb.core

        with self._handle:
            if self._closing.is_set():  # pyusb would open the device again for this
                raise self._gone("closed")
            try:
                for endpoint, part in parts:
                    device.write(endpoint, part, timeout=round(STALL_S * 1000))
            except usb.core.USBTimeoutError:
                raise LinkTimeout(f"usb {self._address}: the device took no bytes for {STALL_S:g} s") from None
            except usb.core.USBError as error:
                raise self._gone(error) from None

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Until the transport is closed or the device is gone. The loop is woken without the bytes: it may log them."""
        reason = "closed"
        device = self._device
        while not self._closing.is_set():
            if sum(map(len, tuple(self._received))) >= HELD_LIMIT:
                self._closing.wait(PATIENCE_S)
                continue
            try:
                data = self._receive(device)
            except OSError as error:
                reason = error.strerror or str(error)
                break
            if data:
                self._received.append(data)
                loop.call_soon_threadsafe(self._arrived.set)
        if not self._closing.is_set():
            loop.call_soon_threadsafe(self._lose, reason)

    def _receive(self, device: Any) -> bytes:
        head_size = self._usb.header
        if not head_size:
            return self._transfer(device, self._usb.in_, _PIECE, PATIENCE_S)
        head = self._transfer(device, self._usb.header_in, head_size, PATIENCE_S)
        if len(head) < head_size:
            return head
        wanted = int.from_bytes(head[-2:], "big")
        return head + (self._transfer(device, self._usb.in_, wanted, BODY_S) if wanted else b"")

    def _transfer(self, device: Any, endpoint: int, size: int, within_s: float) -> bytes:
        """One transfer, or nothing when none came in time. Raises OSError (USBError is one) when the device is gone."""
        import usb.core

        try:
            return bytes(device.read(endpoint, size, timeout=round(within_s * 1000)))
        except usb.core.USBTimeoutError:
            return b""
        except usb.core.USBError as error:
            if error.errno == errno.EOVERFLOW:  # more than the header said: the codec drops what does not fit
                return b""
            raise


def open_transport(profile: PeripheralProfile, address: str) -> Transport:
    """The USB device at ``address``, not open yet; see ``UsbAddress``. Raises ProfileError for another kind of address.

    A pseudo-terminal, behind which a simulated device sits, is opened as a serial line that carries the same frames.
    """
    if Path(address).resolve().is_relative_to("/dev/pts"):
        return SerialTransport(address, profile.line)
    return UsbTransport(UsbAddress.parse(address, profile.match.usb), profile.usb)
