"""What the kernel tells of its devices under /sys: read once in a while where no udev runs (containers)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.ports import Device
from firmware_bridge.clock import Clock

SYS = Path("/sys")
DEV = Path("/dev")
FRESH_S = 1.0  # how old an answer of the polling source may be


@dataclass(frozen=True, slots=True)
class Subsystem:
    """Where a kind of device is listed under /sys, and how the names of those that count begin."""

    folder: str
    prefix: str = ""


SUBSYSTEMS: Mapping[str, Subsystem] = {
    "tty": Subsystem("class/tty", "tty"),
    "hidraw": Subsystem("class/hidraw", "hidraw"),
    "input": Subsystem("class/input", "event"),
    "video4linux": Subsystem("class/video4linux", "video"),
    "gpio": Subsystem("bus/gpio/devices", "gpiochip"),
    "usb": Subsystem("bus/usb/devices"),
}


class SysfsSource:
    """Polling. It costs nothing while nobody asks, and nobody asks while every slot has its device."""

    name = "polling /sys"

    def __init__(self, subsystems: Sequence[str], clock: Clock, sys: Path = SYS, dev: Path = DEV) -> None:
        self._subsystems = tuple(subsystems)
        self._clock = clock
        self._sys, self._dev = sys, dev
        self._found: tuple[Device, ...] = ()
        self._looked_at: float | None = None

    def open(self) -> None:
        self._looked_at = None

    def devices(self) -> Sequence[Device]:
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= FRESH_S:
            self._found = tuple(sorted(self._scan(), key=lambda device: device.node))
            self._looked_at = now
        return self._found

    def close(self) -> None:
        self._found = ()

    def _scan(self) -> Iterator[Device]:
        for name in self._subsystems:
            kind = SUBSYSTEMS[name]
            for entry in _entries(self._sys / kind.folder):
                if entry.name.startswith(kind.prefix):
                    device = read_device(name, entry, self._dev)
                    if device is not None:
                        yield device


def read_device(subsystem: str, entry: Path, dev: Path = DEV) -> Device | None:
    """The device listed at ``entry``; None for what is no hardware, has no file under ``dev``, or has just left."""
    try:
        home = entry.resolve(strict=True)
    except OSError:
        return None
    usb = _usb_device(home)
    node = _node(subsystem, entry, usb, dev)
    if node is None or not node.exists() or (subsystem == "tty" and not (entry / "device").exists()):
        return None
    if subsystem == "video4linux" and _word(entry / "index") not in ("", "0"):
        return None  # a camera's second file carries its metadata
    if usb is None:
        return Device(subsystem, str(node), mark=str(home))
    vendor, product = _word(usb / "idVendor"), _word(usb / "idProduct")
    return Device(
        subsystem=subsystem,
        node=str(node),
        usb_id=f"{vendor}:{product}".lower(),
        serial="_".join(_word(usb / "serial").split()),  # as udev writes it, and without what a setting cannot hold
        path=usb.name,
        interface=_interface(home, usb),
        product=_word(usb / "product"),
        mark=f"{home} {_word(usb / 'devnum')}",
    )


def stable_names(dev: Path = DEV) -> dict[str, str]:
    """Device file to the name udev gave it by its socket (``/dev/serial/by-path``, ``/dev/input/by-path``, ...)."""
    found: dict[str, str] = {}
    for kind in ("serial", "input", "v4l"):
        for link in _entries(dev / kind / "by-path"):
            found.setdefault(str(dev / link.resolve().name), str(link))
    return found


def _node(subsystem: str, entry: Path, usb: Path | None, dev: Path) -> Path | None:
    if subsystem == "input":
        return dev / "input" / entry.name
    if subsystem != "usb":
        return dev / entry.name
    if usb is None or usb.name != entry.name:
        return None  # an interface of a device is listed beside the device
    bus, number = _word(usb / "busnum"), _word(usb / "devnum")
    return dev / "bus" / "usb" / bus.zfill(3) / number.zfill(3) if bus and number else None


def _usb_device(home: Path) -> Path | None:
    return next((folder for folder in (home, *home.parents) if (folder / "idVendor").exists()), None)


def _interface(home: Path, usb: Path) -> int | None:
    for folder in (home, *home.parents):
        if folder == usb:
            break
        if number := _word(folder / "bInterfaceNumber"):
            return int(number, 16)
    return None


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _word(file: Path) -> str:
    """The content of a small file; empty when there is none, or when the device left while it was read."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
