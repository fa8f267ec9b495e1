"""A USB bus without hardware: a pyusb backend whose devices are simulated peripherals."""

import array
import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import usb.backend
from usb._debug import methodtrace
from usb.core import USBError, USBTimeoutError

from simulators.peripherals.peer import Output, Peer

PACKET = 64
_log = logging.getLogger("usb.backend.simulated")  # pyusb's own backends trace every call so, where PYUSB_DEBUG is set


class Device:
    """One device on the bus. With ``header`` its frames come and go as two transfers each, on four endpoints."""

    def __init__(self, peer: Peer, *, model: tuple[int, int], place: tuple[int, tuple[int, ...]], header: int) -> None:
        self.peer = peer
        self.model = model
        self.place = place
        self.header = header
        self.endpoints = [0x02, 0x06, 0x81, 0x85] if header else [0x01, 0x81]
        self.address = 5
        self.plugged = True
        self.claimed_by: object | None = None
        self.transfers: list[tuple[int, int]] = []  # endpoint and size of what the host sent
        self.stalled = False
        self._frame = b""
        self._changed = threading.Condition()
        self._waiting: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in self.endpoints if end & 0x80}

    def unplug(self) -> None:
        """Pull the plug: every call that waits ends at once."""
        with self._changed:
            self.plugged = False
            self._changed.notify_all()

    def take(self, endpoint: int, data: bytes) -> int:
        """A transfer from the host."""
        with self._changed:
            self.check()
            self.transfers.append((endpoint, len(data)))
            self._frame += data
            if endpoint == self.endpoints[0] and self.header:
                return len(data)  # the body comes by the other endpoint
            frame, self._frame = self._frame, b""
            self._send(self.peer.receive(frame, time.monotonic()))
            return len(data)

    def give(self, endpoint: int, size: int, timeout_s: float) -> bytes:
        """A transfer to the host: at most ``size`` bytes, waited for up to ``timeout_s``."""
        give_up = time.monotonic() + timeout_s
        with self._changed:
            while True:
                self.check()
                queue = self._waiting[endpoint]
                now = time.monotonic()
                if queue and queue[0][0] <= now:
                    when, data = queue.popleft()
                    if len(data) > size:
                        queue.appendleft((when, data[size:]))
                    return data[:size]
                if now >= give_up:
                    raise USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
                due = queue[0][0] if queue else give_up
                self._changed.wait(min(due, give_up) - now)

    def check(self) -> None:
        """What libusb says of a device that is gone."""
        if not self.plugged:
            raise USBError("No such device (it may have been disconnected)", -4, errno.ENODEV)

    def _send(self, output: Output) -> None:
        for when, frame in output:
            if not self.header:
                self._waiting[self.endpoints[-1]].append((when, frame))
                continue
            self._waiting[self.endpoints[2]].append((when, frame[: self.header]))
            self._waiting[self.endpoints[3]].append((when, frame[self.header :]))
        self._changed.notify_all()


class _Descriptor:
    def __init__(self, **values: object) -> None:
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> int:  # whatever else a descriptor has is 0 here
        if name.startswith("__"):
            raise AttributeError(name)
        return 0


class Bus(usb.backend.IBackend):  # type: ignore[misc]
    """The backend: hand it to ``UsbTransport``. ``open_handles`` counts what was opened and not closed."""

    def __init__(self, *devices: Device) -> None:
        super().__init__()
        self.devices = list(devices)
        self.open_handles = 0

    def enumerate_devices(self) -> Iterator[Device]:
        return iter([device for device in self.devices if device.plugged])

    def get_device_descriptor(self, dev: Device) -> _Descriptor:
        bus, ports = dev.place
        return _Descriptor(
            idVendor=dev.model[0], idProduct=dev.model[1], bNumConfigurations=1, bus=bus, address=dev.address,
            port_number=ports[-1], port_numbers=ports, speed=None, bMaxPacketSize0=PACKET, iSerialNumber=None,
        )  # fmt: skip

    def get_configuration_descriptor(self, dev: Device, config: int) -> _Descriptor:
        if config:
            raise IndexError(config)
        return _Descriptor(bNumInterfaces=1, bConfigurationValue=1, extra_descriptors=[])

    def get_interface_descriptor(self, dev: Device, intf: int, alt: int, config: int) -> _Descriptor:
        if intf or alt:
            raise IndexError(intf)
        return _Descriptor(bInterfaceNumber=0, bNumEndpoints=len(dev.endpoints), extra_descriptors=[])

    def get_endpoint_descriptor(self, dev: Device, ep: int, intf: int, alt: int, config: int) -> _Descriptor:
        address = dev.endpoints[ep]
        return _Descriptor(bEndpointAddress=address, bmAttributes=2, wMaxPacketSize=PACKET, extra_descriptors=[])

    def open_device(self, dev: Device) -> Device:
        dev.check()
        self.open_handles += 1
        return dev

    def close_device(self, dev_handle: Device) -> None:
        self.open_handles -= 1

    def get_configuration(self, dev_handle: Device) -> int:
        return 1

    def claim_interface(self, dev_handle: Device, intf: int) -> None:
        if dev_handle.claimed_by is not None:
            raise USBError("Resource busy", -6, errno.EBUSY)
        dev_handle.claimed_by = self

    def release_interface(self, dev_handle: Device, intf: int) -> None:
        dev_handle.claimed_by = None
        dev_handle.check()

    @methodtrace(_log)
    def bulk_write(self, dev_handle: Device, ep: int, intf: int, data: Any, timeout: int) -> int:
        if dev_handle.stalled:
            raise USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
        return dev_handle.take(ep, bytes(data))

    @methodtrace(_log)
    def bulk_read(self, dev_handle: Device, ep: int, intf: int, buff: Any, timeout: int) -> int:
        data = dev_handle.give(ep, len(buff), timeout / 1000)
        buff[: len(data)] = array.array("B", data)
        return len(data)

    def detach_kernel_driver(self, dev_handle: Device, intf: int) -> None:
        raise cast(Exception, USBError("Entity not found", -5, errno.ENOENT))
