"""Where a USB device is: by its place in the tree, by the node that udev made for it, or by vendor and product."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from device_profiles.errors import ProfileError
from firmware_bridge.errors import TransportLost

_NODE = re.compile(r"/dev/bus/usb/(\d{3})/(\d{3})")
_PLACE = re.compile(r"(\d+)-(\d+(?:\.\d+)*)")
_MODEL = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")


@dataclass(frozen=True, slots=True)
class UsbAddress:
    """``/dev/bus/usb/001/005`` or a link to it (looked up at each opening), ``1-2.3`` (bus and ports, as the kernel
    names them), or ``0400:c35a`` (the only device of that model).
    """

    text: str

    @classmethod
    def parse(cls, text: str, models: list[str]) -> "UsbAddress":
        """``models`` are the profile's; an empty address stands for the first of them. Raises ProfileError."""
        text = text or next(iter(models), "")
        if text.startswith("/") or _PLACE.fullmatch(text) or _MODEL.fullmatch(text):
            return cls(text)
        raise ProfileError(f"usb address: expected /dev/bus/usb/..., 1-2.3 or vendor:product, got {text!r}")

    def __str__(self) -> str:
        return self.text

    def matches(self, device: Any) -> bool:
        """Whether a pyusb device is the one."""
        if model := _MODEL.fullmatch(self.text):
            return bool((device.idVendor, device.idProduct) == (int(model[1], 16), int(model[2], 16)))
        if place := _PLACE.fullmatch(self.text):
            ports = tuple(int(port) for port in place[2].split("."))
            return bool(device.bus == int(place[1]) and tuple(device.port_numbers or ()) == ports)
        node = _NODE.fullmatch(str(Path(self.text).resolve()))
        return node is not None and (device.bus, device.address) == (int(node[1]), int(node[2]))


def endpoints_of(device: Any, interface: int) -> set[int]:
    """Addresses of the endpoints of one interface; a device that nobody has set up gets its first configuration."""
    import usb.core

    try:
        configuration = device.get_active_configuration()
    except usb.core.USBError:
        device.set_configuration()
        configuration = device.get_active_configuration()
    ours = (part for part in configuration if part.bInterfaceNumber == interface)
    return {endpoint.bEndpointAddress for part in ours for endpoint in part}


def find_device(address: UsbAddress, backend: Any) -> Any:
    """The pyusb device at ``address``. Raises TransportLost when there is none, or more than one of that model."""
    import usb.core

    found = list(usb.core.find(find_all=True, backend=backend, custom_match=address.matches))
    if len(found) == 1:
        return found[0]
    if not found:
        raise TransportLost(f"usb {address}: expected a device there, found none")
    raise TransportLost(f"usb {address}: expected one device, found {len(found)}: name it by its place, such as 1-2.3")
