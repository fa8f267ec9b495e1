"""What this machine is made of: its profile, and the device behind every slot that is mounted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from device_profiles.catalog import Catalog, load_catalog
from device_profiles.errors import ConfigurationError, nearest
from device_profiles.schema.bus import bus_problems
from device_profiles.schema.machine import MachineProfile
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.addresses import SUBSYSTEM_OF, Address, UsbAddress, parse_address
from edge_agent.settings import EdgeSettings
from firmware_bridge.registry import check_driver


@dataclass(frozen=True, slots=True)
class Mounted:
    """A slot with its peripheral's profile and where its device is said to be."""

    profile: PeripheralProfile
    port: Address
    shared: bool = False  # other slots name the same device: a line with several units


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """The machine as profile and settings describe it. ``slots``: in the profile's order, without those unmounted."""

    profile: MachineProfile
    digest: str
    slots: Mapping[str, Mounted]


def plan_machine(settings: EdgeSettings) -> MachinePlan:
    """Check settings and profile against each other. Raises ConfigurationError, ProfileError."""
    catalog = load_catalog(settings.profiles_dir)
    profile = catalog.machine(settings.profile)
    for name in settings.ports:
        if name not in profile.slots:
            raise ConfigurationError(
                f"ports.{name}: profile {profile.id} has no such slot; {nearest(name, profile.slots)}"
            )
    for name, slot in profile.slots.items():
        if slot.required and name not in settings.ports:
            raise ConfigurationError(
                f"ports.{name}: expected the device of this slot, profile {profile.id} requires it"
            )
    if settings.screen_port and not profile.screen:
        raise ConfigurationError(f"screen_port: profile {profile.id} has no screen; leave it out")
    return MachinePlan(profile, catalog.digest(profile.id), _mounted(settings, profile, catalog))


def _mounted(settings: EdgeSettings, profile: MachineProfile, catalog: Catalog) -> dict[str, Mounted]:
    mounted = {
        name: Mounted(catalog.peripheral(slot.peripheral), parse_address(settings.ports[name]))
        for name, slot in profile.slots.items()
        if name in settings.ports
    }
    for name, slot in mounted.items():
        check_driver(slot.profile)
        _check_address(name, slot)
    _check_buses(settings, profile, mounted)
    return {name: replace(slot, shared=len(_sharing(slot.port, mounted)) > 1) for name, slot in mounted.items()}


def _sharing(port: Address, mounted: Mapping[str, Mounted]) -> dict[str, PeripheralProfile]:
    """The slots whose device is at ``port``. A USB address that any device of a kind fits names no line."""
    if isinstance(port, UsbAddress) and not port.exact:
        return {}
    return {name: slot.profile for name, slot in mounted.items() if slot.port == port}


def _check_buses(settings: EdgeSettings, profile: MachineProfile, mounted: Mapping[str, Mounted]) -> None:
    for bus, slots in profile.buses().items():
        here = [name for name in slots if name in mounted]
        for name in here[1:]:
            if name not in _sharing(mounted[here[0]].port, mounted):
                raise ConfigurationError(
                    f"ports.{name}: slots {' and '.join(slots)} of profile {profile.id} share the line {bus!r}; "
                    f"expected {settings.ports[here[0]]!r} as in ports.{here[0]} (a path, a URL or one USB socket), "
                    f"got {settings.ports[name]!r}"
                )
    for name, slot in mounted.items():
        for problem in bus_problems(_sharing(slot.port, mounted)):
            raise ConfigurationError(f"ports.{name}: {settings.ports[name]!r} is named by several slots; {problem}")


def _check_address(name: str, slot: Mounted) -> None:
    """What a USB address leaves out must be in the profile."""
    address, profile = slot.port, slot.profile
    if not isinstance(address, UsbAddress):
        return
    if profile.attachment not in SUBSYSTEM_OF:
        kinds = ", ".join(SUBSYSTEM_OF)
        raise ConfigurationError(
            f"ports.{name}: usb: expected a peripheral with one of the attachments {kinds}, "
            f"{profile.id} has {profile.attachment}; write a path"
        )
    if not (address.exact or address.id or profile.match.usb):
        raise ConfigurationError(
            f"ports.{name}: usb: profile {profile.id} names no USB id; write which device it is, "
            "such as usb:path=1-1.2, usb:serial=FT4XK9 or usb:id=1a86:7523"
        )
