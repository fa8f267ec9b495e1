"""udev where it runs, /sys where it does not."""

import logging
from collections.abc import Sequence
from pathlib import Path

from edge_agent.devices.sysfs import SysfsSource
from edge_agent.ports import DeviceSource
from firmware_bridge.clock import Clock

UDEV_SOCKET = Path("/run/udev/control")
_log = logging.getLogger(__name__)


def choose_source(subsystems: Sequence[str], clock: Clock, socket: Path = UDEV_SOCKET) -> DeviceSource:
    """The source of this machine, not open yet; the log says which and why."""
    if not subsystems:
        return SysfsSource((), clock)  # every port is a file or a URL: nothing is looked for
    if not socket.exists():
        _log.info("devices: polling /sys, since udev does not run here (no %s)", socket)
        return SysfsSource(subsystems, clock)
    try:
        from edge_agent.devices.udev import UdevSource  # here: a machine without udev need not load libudev

        source = UdevSource(subsystems, clock)
    except ImportError as error:
        _log.warning("devices: polling /sys, since pyudev cannot be loaded: %s", error)
        return SysfsSource(subsystems, clock)
    _log.info("devices: udev, for %s", ", ".join(subsystems))
    return source
