"""``hallfleet doctor``: can this machine run hallfleet? One line per question, and what to do when not."""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

OLDEST_PYTHON = (3, 11)
_SERIAL = ("ttyUSB*", "ttyACM*")


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question."""

    ok: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.ok else 'FAIL'}  {self.text}"


def main(argv: list[str]) -> int:
    """Print every finding; 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="hallfleet doctor", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path.cwd(), help="the data folder (default: this folder)")
    findings = list(examine(parser.parse_args(argv).data))
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    return 0 if all(finding.ok for finding in findings) else 1


def examine(data_dir: Path, devices: Path = Path("/dev")) -> Iterator[Finding]:
    """Everything that is asked, in order."""
    yield python_version(sys.version_info[:3])
    yield packages()
    yield serial_ports(devices)
    yield device_events()
    yield writable(data_dir)


def python_version(version: tuple[int, ...]) -> Finding:
    """Is the interpreter new enough?"""
    name = ".".join(map(str, version))
    if version[:2] >= OLDEST_PYTHON:
        return Finding(True, f"Python {name}")
    return Finding(False, f"Python {name}: expected {'.'.join(map(str, OLDEST_PYTHON))} or newer; set PYTHON for make")


def packages(distribution: str = "hallfleet") -> Finding:
    """Is everything installed that the distribution asks for?"""
    try:
        requirements = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return Finding(False, f"{distribution} is not installed: run make setup")
    # A requirement with a marker belongs to an extra or to another system.
    wanted = [_name(line) for line in requirements if ";" not in line]
    missing = [name for name in wanted if not _installed(name)]
    if missing:
        return Finding(False, f"packages missing: {', '.join(missing)}; run make setup")
    return Finding(True, f"{len(wanted)} packages installed")


def serial_ports(devices: Path) -> Finding:
    """May this user open the serial ports there are?"""
    ports = sorted(port for pattern in _SERIAL for port in devices.glob(pattern))
    closed = [str(port) for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if closed:
        return Finding(False, f"no access to {', '.join(closed)}: add this user to the group dialout, log in again")
    return Finding(True, f"{len(ports)} USB serial ports, all accessible" if ports else "no USB serial ports here")


def device_events(socket: Path = Path("/run/udev/control")) -> Finding:
    """How does an agent learn here that a device was plugged in? Both ways are good."""
    if socket.exists():
        return Finding(True, "udev runs: agents hear of a device at once")
    return Finding(True, "udev does not run here: agents look at /sys once a second")


def writable(data_dir: Path) -> Finding:
    """Can data be kept in ``data_dir``?"""
    try:
        with tempfile.TemporaryFile(dir=data_dir):
            return Finding(True, f"{data_dir} is writable")
    except OSError as error:
        return Finding(False, f"{data_dir}: expected a writable folder, got: {error.strerror}")


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _installed(distribution: str) -> bool:
    try:
        files = metadata.distribution(distribution).files or []
    except metadata.PackageNotFoundError:
        return False
    packages = {file.parts[0] for file in files if file.name == "__init__.py" and len(file.parts) == 2}
    return all(find_spec(package) is not None for package in packages)
