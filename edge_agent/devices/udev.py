"""What udev tells: an event when a device comes or goes, once its rules have run (names, rights, ID_ properties)."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyudev

from edge_agent.devices.sysfs import DEV, SUBSYSTEMS, read_device
from edge_agent.ports import Device
from firmware_bridge.clock import Clock

RECHECK_S = 10.0  # events do not reach every network namespace: who waits for a device looks again all the same
_log = logging.getLogger(__name__)


class UdevSource:
    """An event makes the list stale, and the next question reads it anew: no event can be misunderstood or missed."""

    name = "udev"

    def __init__(self, subsystems: Sequence[str], clock: Clock, dev: Path = DEV) -> None:
        self._subsystems = tuple(subsystems)
        self._clock = clock
        self._dev = dev
        self._context = pyudev.Context()
        self._monitor: pyudev.Monitor | None = None
        self._found: tuple[Device, ...] = ()
        self._looked_at: float | None = None

    def open(self) -> None:
        self._monitor = pyudev.Monitor.from_netlink(self._context)
        for name in self._subsystems:
            self._monitor.filter_by(name)
        self._monitor.start()
        asyncio.get_running_loop().add_reader(self._monitor.fileno(), self._on_event)

    def devices(self) -> Sequence[Device]:
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= RECHECK_S:
            self._found = tuple(sorted(self._list(), key=lambda device: device.node))
            self._looked_at = now
        return self._found

    def close(self) -> None:
        if self._monitor is not None:
            asyncio.get_running_loop().remove_reader(self._monitor.fileno())
            self._monitor = None  # libudev closes the socket with the last reference

    def _on_event(self) -> None:
        if self._monitor is None:
            return
        try:
            while (device := self._monitor.poll(0)) is not None:
                _log.debug("udev: %s %s", device.action, device.device_path)
        except OSError as error:  # ENOBUFS: events were lost, which is why the whole list is read again
            _log.warning("udev: events were lost: %s", error)
        self._looked_at = None

    def _list(self) -> Iterator[Device]:
        for name in self._subsystems:
            prefix = SUBSYSTEMS[name].prefix
            listed = self._context.list_devices(subsystem=name)
            for found in listed.match_is_initialized():
                if found.sys_name.startswith(prefix):
                    device = read_device(name, Path(found.sys_path), self._dev)
                    if device is not None:
                        yield device
