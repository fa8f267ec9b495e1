"""What a person writes in ``ports`` to say where a slot's device is.

============================  =====================================================================================
``/dev/serial/by-path/...``   a file: the device is there when the file is
``tcp://10.0.0.7:4001``       a place on the network: always there; when nobody answers, it is tried again and again
``usb``                       the one device that fits: by the USB ids of the peripheral's profile, or by ``id``
``usb:path=1-1.2``            what is plugged into that socket of that hub (``/sys/bus/usb/devices/1-1.2``)
``usb:serial=FT4XK9``         the device or bridge with that USB serial number, in whatever socket
``usb:id=1a86:7523``          devices with that USB id instead of the profile's (a bridge in front of the device)
============================  =====================================================================================

Keys are joined with commas, and all of them must fit: ``usb:id=1a86:7523,path=1-1.2``. ``interface=2`` names one
port of a device that has several.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

SUBSYSTEM_OF: Mapping[str, str] = {
    "serial": "tty",
    "hid": "hidraw",
    "input": "input",
    "v4l2": "video4linux",
    "gpio": "gpio",
    "usb": "usb",
}
"""Attachment of a profile to the subsystem of its device files."""

_PATTERNS: Mapping[str, tuple[str, str]] = {
    "id": (r"[0-9a-f]{4}:[0-9a-f]{4}", "vendor:product, four lower-case hex digits each, such as 1a86:7523"),
    "path": (r"[0-9]+-[0-9]+(\.[0-9]+)*", "bus-port.port, such as 1-1.2"),
    "serial": (r"[^,=\s]+", "the serial number, without spaces, commas and ="),
    "interface": (r"[0-9]{1,2}", "a number from 0"),
}


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A device file, or a link to one."""

    path: str

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class UrlAddress:
    """A place that a transport finds by itself."""

    url: str

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class UsbAddress:
    """Which USB devices may be in the slot; an empty word, and None, fit all."""

    id: str = ""
    path: str = ""
    serial: str = ""
    interface: int | None = None

    @property
    def exact(self) -> bool:
        """Whether it names one device or one socket."""
        return bool(self.path or self.serial)

    def __str__(self) -> str:
        keys = {"id": self.id, "path": self.path, "serial": self.serial}
        said = [f"{key}={value}" for key, value in keys.items() if value]
        if self.interface is not None:
            said.append(f"interface={self.interface}")
        return f"usb:{','.join(said)}" if said else "usb"


Address = FileAddress | UrlAddress | UsbAddress


def parse_address(text: str) -> Address:
    """What ``text`` means. Raises ValueError that says what was expected."""
    if text == "usb" or (text.startswith("usb:") and not text.startswith("usb://")):
        return _usb(text.partition(":")[2])
    scheme, separator, rest = text.partition("://")
    if separator:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", scheme) or not rest:
            raise ValueError(f"expected scheme://address such as tcp://10.0.0.7:4001, got {text!r}")
        return UrlAddress(text)
    if "/" not in text:
        expected = "a path, scheme://address, usb, or usb: with keys such as usb:path=1-1.2"
        raise ValueError(f"expected {expected}, got {text!r}")
    return FileAddress(text)


def _usb(keys: str) -> UsbAddress:
    found: dict[str, str] = {}
    for part in keys.split(",") if keys else []:
        key, _, value = part.partition("=")
        if key not in _PATTERNS:
            raise ValueError(f"usb: expected the keys {', '.join(_PATTERNS)} as key=value, got {part!r}")
        if key in found:
            raise ValueError(f"usb: expected each key once, got {key} twice")
        pattern, meaning = _PATTERNS[key]
        if not re.fullmatch(pattern, value):
            raise ValueError(f"usb: {key}: expected {meaning}, got {value!r}")
        found[key] = value
    interface = int(found.pop("interface")) if "interface" in found else None
    return UsbAddress(**found, interface=interface)
