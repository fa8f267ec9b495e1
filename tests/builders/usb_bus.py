"""A USB bus made of files: the part of /sys and /dev that the agent reads, with devices plugged in and pulled out."""

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

from edge_agent.devices.sysfs import SUBSYSTEMS, SysfsSource
from firmware_bridge.clock import Clock


@dataclass(frozen=True)
class Plugged:
    """One device on the bus."""

    node: Path
    listed: Path
    folder: Path


class UsbBus:
    """``sys`` and ``dev`` stand for the machine's folders of these names."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        self.dev.mkdir(parents=True)
        self._numbers = itertools.count(3)

    def source(self, clock: Clock, *subsystems: str) -> SysfsSource:
        """The polling source on this bus."""
        return SysfsSource(subsystems or ("tty",), clock, self.sys, self.dev)

    def plug(
        self,
        node: str = "ttyUSB0",
        *,
        path: str = "1-1.2",
        usb_id: str = "1a86:7523",
        serial: str = "",
        interface: int = 0,
        subsystem: str = "tty",
        target: Path | None = None,
    ) -> Plugged:
        """Put a device into the socket ``path``; ``target`` is what its device file leads to."""
        device = self.sys / "devices" / "usb1" / path
        vendor, _, product = usb_id.partition(":")
        words = {"idVendor": vendor, "idProduct": product, "devnum": str(next(self._numbers)), "product": "Bridge"}
        _write(device, words | ({"serial": serial} if serial else {}))
        part = device / f"{path}:1.{interface}"
        _write(part, {"bInterfaceNumber": f"{interface:02x}"})
        home = part / subsystem / node
        home.mkdir(parents=True)
        (home / "device").symlink_to(part)
        listed = self.sys / SUBSYSTEMS[subsystem].folder / node
        listed.parent.mkdir(parents=True, exist_ok=True)
        file = self.dev / ("input/" if subsystem == "input" else "") / node
        file.parent.mkdir(exist_ok=True)
        if target is None:
            file.touch()
        else:
            file.symlink_to(target)
        listed.symlink_to(home)
        return Plugged(file, listed, device)

    def unplug(self, plugged: Plugged) -> None:
        """Pull it out."""
        plugged.node.unlink(missing_ok=True)
        plugged.listed.unlink(missing_ok=True)
        shutil.rmtree(plugged.folder, ignore_errors=True)


def _write(folder: Path, words: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, word in words.items():
        (folder / name).write_text(f"{word}\n")
