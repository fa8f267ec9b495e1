"""A byte stream in the reports of a USB HID device, through the kernel's hidraw node.

Reports have a fixed size; the profile's ``[hid]`` says which, and where a report tells how many of its bytes count. On
a pseudo-terminal, where a simulated device sits, reports follow each other without a gap.
"""

import asyncio
import os
import tty

from device_profiles.schema.peripheral import Hid, PeripheralProfile
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.transports._descriptor import STALL_S, DescriptorTransport, is_pty, is_readable, lock


class HidTransport(DescriptorTransport):
    """One hidraw node, taken by lock: the kernel itself keeps nobody else away."""

    def __init__(self, path: str, hid: Hid, stall_s: float = STALL_S) -> None:
        super().__init__(path, stall_s)
        self._hid = hid
        self._stream = False
        self._part = b""  # of a report; a node gives whole ones

    async def _acquire(self) -> int:
        try:
            fd = os.open(self._name, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._refused(error) from error
        try:
            lock(fd)
            self._stream = is_pty(fd)
            if self._stream:
                tty.setraw(fd)
        except OSError as error:
            os.close(fd)
            raise self._refused(error) from error
        self._part = b""
        return fd

    def _release(self, fd: int) -> None:
        os.close(fd)

    async def write(self, data: bytes) -> None:
        for report in self._reports(data):
            await (super().write(report) if self._stream else self._hand_over(report))

    async def _hand_over(self, report: bytes) -> None:
        """Write to the node in a thread: the kernel waits for the device there, up to five seconds."""
        self._check()
        fd = os.dup(self._fd)  # the thread may outlive the line
        sending = self._running_loop().run_in_executor(None, _write_and_close, fd, report)
        try:
            async with asyncio.timeout(self._stall_s):
                await asyncio.shield(sending)
        except TimeoutError:
            sending.add_done_callback(_forget)
            self._lose("the device takes no reports")
            raise LinkTimeout(
                f"{self._name}: expected the device to take a report within {self._stall_s:g} s"
            ) from None
        except asyncio.CancelledError:
            sending.add_done_callback(_forget)
            raise
        except OSError as error:
            self._lose(error.strerror or str(error))
            raise self._gone() from error

    def _reports(self, data: bytes) -> list[bytes]:
        hid = self._hid
        room = hid.out_bytes - (hid.length == "first_byte")
        parts = [data[at : at + room] for at in range(0, len(data), room)]
        return [self._report(part) for part in parts]

    def _report(self, part: bytes) -> bytes:
        hid = self._hid
        first = bytes((len(part),)) if hid.length == "first_byte" else b""
        number = len(part) if hid.length == "report_id" else hid.out_id
        # A node takes the id 0 before reports without one and does not send it (kernel, hidraw.rst).
        numbered = bytes((number,)) if number or not self._stream else b""
        return numbered + (first + part).ljust(hid.out_bytes, b"\0")

    def _waiting(self) -> int:
        return is_readable(self._fd)  # it has reports

    def _arrived(self, data: bytes) -> None:
        hid = self._hid
        size = hid.in_bytes + (hid.in_id != 0 or hid.length == "report_id")
        if not self._stream:
            self._received += self._payload(data)
            return
        data = self._part + data
        whole = len(data) - len(data) % size
        for at in range(0, whole, size):
            self._received += self._payload(data[at : at + size])
        self._part = data[whole:]

    def _payload(self, report: bytes) -> bytes:
        hid = self._hid
        if hid.length == "report_id":
            return report[1 : 1 + report[0]]
        if hid.in_id:
            if report[0] != hid.in_id:  # a device with several functions: this one is not ours
                return b""
            report = report[1:]
        return report[1 : 1 + sum(report[:1])] if hid.length == "first_byte" else report

    def _refused(self, error: OSError) -> TransportLost:
        return TransportLost(
            f"{self._name}: expected a hidraw node that nobody else uses and that we may open, got: {error.strerror}"
        )


def _write_and_close(fd: int, report: bytes) -> None:
    try:
        os.write(fd, report)
    finally:
        os.close(fd)


def _forget(sent: "asyncio.Future[None]") -> None:
    """The line has been given up already: what became of its last report is nobody's business."""
    if not sent.cancelled():
        sent.exception()


def open_transport(profile: PeripheralProfile, address: str) -> HidTransport:
    """The hidraw node at the path ``address``, not open yet."""
    return HidTransport(address, profile.hid)
