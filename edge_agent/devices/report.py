"""For people: what every slot finds right now, how it was found, and why not."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_agent.addresses import FileAddress, UrlAddress
from edge_agent.devices.matching import Want
from edge_agent.devices.places import Finder
from edge_agent.devices.sysfs import stable_names
from edge_agent.ports import Device, DeviceSource, Sighting
from firmware_bridge.clock import Clock


@dataclass(frozen=True, slots=True)
class SlotReport:
    """``device`` is the file or URL that would be opened, ``how`` what led to it, ``problem`` what is in the way."""

    present: bool
    device: str = ""
    how: str = ""
    problem: str = ""


def report_slots(wants: Mapping[str, Want], source: DeviceSource, clock: Clock) -> dict[str, SlotReport]:
    """Look at every slot's place without opening anything."""
    finder = Finder(source, wants, clock)
    names = stable_names()
    devices = source.devices()
    return {slot: _report(want, finder.place(slot).look(), devices, names) for slot, want in wants.items()}


def devices_of_no_slot(reports: Mapping[str, SlotReport], source: DeviceSource) -> list[Device]:
    """What is plugged in and not used: where a slot finds nothing, its device may be among these."""
    used = {os.path.realpath(report.device) for report in reports.values() if report.device}
    return [device for device in source.devices() if device.path and os.path.realpath(device.node) not in used]


def _report(want: Want, sighting: Sighting, devices: Sequence[Device], names: Mapping[str, str]) -> SlotReport:
    if isinstance(want.address, UrlAddress):
        return SlotReport(True, want.address.url, how="a place on the network: seen when the agent connects")
    if sighting.refusal is not None:
        return SlotReport(False, problem=sighting.refusal.words)
    if sighting.empty:
        return SlotReport(False, problem="not plugged in" if want.exact else "not plugged in: no device fits")
    found = ", ".join(sighting.addresses)
    if not sighting.certain:
        return SlotReport(True, found, how="several may be it: what each says of itself decides when the agent runs")
    node = os.path.realpath(found)
    problem = "" if os.access(node, os.R_OK | os.W_OK) else f"no access to {node}: see deploy/README.md, Rights"
    return SlotReport(True, found, _how(want, node, devices, names), problem)


def _how(want: Want, node: str, devices: Sequence[Device], names: Mapping[str, str]) -> str:
    device = next((device for device in devices if device.node == node), None)
    if isinstance(want.address, FileAddress):
        target = "" if node == str(Path(want.address.path)) else f" -> {node}"
        return f"a file{target}"
    if device is None:
        return ""
    stable = f", also {names[node]}" if node in names else ""
    product = f"{device.product}: " if device.product else ""
    return f"{product}usb {device.usb_id}, path {device.path}, serial {device.serial or '-'}{stable}"
