"""Who may have which device: settings and profiles against what is plugged in. Pure, so that every case can be tested.

A file or a USB address with a socket or a serial number is exact: it names one device, and whatever is there is the
slot's device or a wrong one. Without those an address only says what kind of device it is; then the slots share out
what no exact address names. What cannot be told apart is refused with words instead of guessed.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from device_profiles.capabilities.model import AMBIGUOUS_DEVICE, WRONG_DEVICE
from device_profiles.schema.peripheral import PeripheralProfile
from edge_agent.addresses import SUBSYSTEM_OF, Address, FileAddress, UsbAddress
from edge_agent.plan import MachinePlan
from edge_agent.ports import Device, Refusal, Sighting


@dataclass(frozen=True, slots=True)
class Want:
    """What a slot is made for, and where its device is said to be."""

    profile: PeripheralProfile
    address: Address

    @property
    def subsystem(self) -> str:
        """Where its device files are listed; empty for an attachment that has none."""
        return SUBSYSTEM_OF.get(self.profile.attachment, "")

    @property
    def usb_ids(self) -> Collection[str]:
        """The USB ids that may be in the slot; empty: any."""
        own = self.address.id if isinstance(self.address, UsbAddress) else ""
        return [own] if own else self.profile.match.usb

    @property
    def says_who_it_is(self) -> bool:
        """Whether the identify reply tells this model from others."""
        return bool(self.profile.match.identify)

    def is_here(self, device: Device) -> bool:
        """Whether the device is at the place that the address names, whatever it is."""
        address = self.address
        if isinstance(address, FileAddress):
            return str(Path(address.path).resolve()) == device.node
        if not isinstance(address, UsbAddress) or device.subsystem != self.subsystem:
            return False
        return (
            address.path in ("", device.path)
            and address.serial in ("", device.serial)
            and address.interface in (None, device.interface)
            and device.path != ""
        )

    def fits(self, device: Device) -> bool:
        """Whether it is at the place, and of the kind as far as its USB id tells."""
        return self.is_here(device) and (not self.usb_ids or device.usb_id in self.usb_ids)

    @property
    def exact(self) -> bool:
        """Whether the address names one device or one socket."""
        return isinstance(self.address, FileAddress) or (isinstance(self.address, UsbAddress) and self.address.exact)


@dataclass(frozen=True, slots=True)
class Scene:
    """All slots and all devices of a machine. ``held``: mark of a device to the slot that has identified it."""

    wants: Mapping[str, Want]
    devices: Sequence[Device]
    held: Mapping[str, str] = field(default_factory=dict)


def wants_of(plan: MachinePlan) -> dict[str, Want]:
    """What every mounted slot of a machine wants."""
    return {name: Want(mounted.profile, mounted.port) for name, mounted in plan.slots.items()}


def sight(slot: str, scene: Scene, passed_over: Collection[str] = ()) -> Sighting:
    """What this slot finds. ``passed_over``: marks of the devices that have just said they are something else."""
    return _exact(slot, scene) if scene.wants[slot].exact else _shared_out(slot, scene, passed_over)


def _exact(slot: str, scene: Scene) -> Sighting:
    want = scene.wants[slot]
    here = [device for device in scene.devices if want.is_here(device)]
    fitting = [device for device in here if want.fits(device)]
    if not here:
        return Sighting()
    if not fitting:
        return _refused(here, _wrong_id(slot, want, here[0]))
    if len(fitting) > 1:
        words = (
            f"ports.{slot}: {want.address} names {_listed(fitting)}; "
            f"expected one device, add {_apart(fitting)} to the address"
        )
        return _refused(fitting, Refusal(AMBIGUOUS_DEVICE, words))
    rivals = [
        name for name, other in scene.wants.items() if _claims(other, fitting[0]) and other.address != want.address
    ]
    if rivals:
        words = (
            f"ports.{slot} ({want.address}) and {_named(rivals, scene)} name the same device {fitting[0]}; "
            "expected a device for each slot, correct one of them"
        )
        return _refused(fitting, Refusal(AMBIGUOUS_DEVICE, words))
    return _found(fitting, certain=True)


def _shared_out(slot: str, scene: Scene, passed_over: Collection[str]) -> Sighting:
    want = scene.wants[slot]
    mine = [device for device in scene.devices if want.fits(device) and scene.held.get(device.mark) == slot]
    if mine:
        return _found(mine[:1], certain=True)
    free = [device for device in scene.devices if want.fits(device) and _free(slot, device, scene)]
    candidates = [device for device in free if device.mark not in passed_over]
    if not candidates:
        return Sighting()
    rivals = [name for name in scene.wants if name != slot and _competes(name, scene, candidates)]
    if len(candidates) == 1 and not rivals:
        return _found(candidates, certain=True)
    cannot_tell = [name for name in (slot, *rivals) if not scene.wants[name].says_who_it_is]
    twins = [name for name in rivals if scene.wants[name].profile.id == want.profile.id]
    if cannot_tell or twins:
        return _refused(candidates, Refusal(AMBIGUOUS_DEVICE, _cannot_share_out(slot, rivals, candidates)))
    return _found(candidates, certain=False)


def _free(slot: str, device: Device, scene: Scene) -> bool:
    return device.mark not in scene.held and not any(
        _claims(other, device) for name, other in scene.wants.items() if name != slot
    )


def _claims(want: Want, device: Device) -> bool:
    return want.exact and want.fits(device)


def _competes(name: str, scene: Scene, candidates: Sequence[Device]) -> bool:
    other = scene.wants[name]
    return not other.exact and name not in scene.held.values() and any(other.fits(device) for device in candidates)


def _found(devices: Sequence[Device], *, certain: bool) -> Sighting:
    return Sighting(
        addresses=tuple(device.node for device in devices),
        certain=certain,
        marks=tuple(f"{device.node} {device.mark}" for device in devices),
    )


def _refused(devices: Sequence[Device], refusal: Refusal) -> Sighting:
    return Sighting(refusal=refusal, marks=tuple(f"{device.node} {device.mark}" for device in devices))


def _cannot_share_out(slot: str, rivals: Sequence[str], devices: Sequence[Device]) -> str:
    slots = " and ".join(f"ports.{name}" for name in (slot, *rivals))
    example = devices[0]
    place = f"usb:path={example.path}"
    if len({(device.path, device.serial) for device in devices}) < len(devices) and example.interface is not None:
        place += f",interface={example.interface}"
    many = "may be any of" if len(devices) > 1 else "may both be"
    return (
        f"{slots} {many} {_listed(devices)}; nobody can tell which. "
        f"Say which socket belongs to which slot, such as ports.{slot} = {place!r}"
    )


def _wrong_id(slot: str, want: Want, device: Device) -> Refusal:
    expected = ", ".join(want.usb_ids)
    words = (
        f"ports.{slot} ({want.address}): expected {want.profile.name} with USB id {expected}, got {device}; plug in "
        f"the right device. If it sits behind this one (a bridge), add id={device.usb_id} to the address"
    )
    return Refusal(WRONG_DEVICE, words)


def _apart(devices: Sequence[Device]) -> str:
    if len({device.interface for device in devices}) == len(devices):
        return " or ".join(f"interface={device.interface}" for device in devices)
    return " or ".join(f"path={device.path}" for device in devices)


def _listed(devices: Sequence[Device]) -> str:
    return " and ".join(str(device) for device in devices)


def _named(slots: Sequence[str], scene: Scene) -> str:
    return " and ".join(f"ports.{name} ({scene.wants[name].address})" for name in slots)
