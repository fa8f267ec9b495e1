"""The catalogue: every profile of this installation, loaded and checked once, then only read.

Files are ``peripherals/*.toml``, ``machines/*.toml`` and ``halls/*.toml``, in this package and in a site's own folder
of the same shape. A file's name is the id of its profile. A site adds ids; it cannot change what a packaged one means.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from device_profiles.errors import ProfileError, nearest
from device_profiles.messages.envelope import canonical_json
from device_profiles.problems import problems_of
from device_profiles.schema.bus import bus_problems
from device_profiles.schema.hall import HallProfile
from device_profiles.schema.line_template import template_problems
from device_profiles.schema.machine import MachineProfile
from device_profiles.schema.peripheral import PeripheralProfile

Profile = TypeVar("Profile", PeripheralProfile, MachineProfile, HallProfile)
SCHEMAS: Mapping[str, type[BaseModel]] = MappingProxyType(
    {"peripherals": PeripheralProfile, "machines": MachineProfile, "halls": HallProfile}
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """All profiles by id. Look-ups raise ProfileError that names the nearest known id."""

    peripherals: Mapping[str, PeripheralProfile]
    machines: Mapping[str, MachineProfile]
    halls: Mapping[str, HallProfile]

    def peripheral(self, profile_id: str) -> PeripheralProfile:
        """The peripheral profile with this id."""
        return _find("peripheral profile", profile_id, self.peripherals)

    def machine(self, profile_id: str) -> MachineProfile:
        """The machine profile with this id."""
        return _find("machine profile", profile_id, self.machines)

    def hall(self, hall_id: str) -> HallProfile:
        """The hall with this id."""
        return _find("hall", hall_id, self.halls)

    def match(self, *, usb: str = "", identify: str = "") -> PeripheralProfile:
        """The one profile for a device that showed this USB id (``vvvv:pppp``), this model, or both.

        ``identify`` is the model that the device named in its identify reply. A profile that names both must fit both.
        Raises ProfileError when none or several profiles fit.
        """
        found = [profile for profile in self.peripherals.values() if _fits(profile, usb, identify)]
        seen = f"usb {usb or 'unknown'}, model {identify or 'unknown'}"
        if not found:
            raise ProfileError(f"device with {seen}: no profile matches; add one with this id under [match]")
        if len(found) > 1:
            ids = ", ".join(sorted(profile.id for profile in found))
            raise ProfileError(f"device with {seen}: expected one profile, got {ids}; name it in the machine profile")
        return found[0]

    def digest(self, machine_id: str) -> str:
        """SHA-256 (hex) of the machine profile and its peripherals: equal content, equal digest."""
        machine = self.machine(machine_id)
        used = sorted({slot.peripheral for slot in machine.slots.values()})
        content = [
            machine.model_dump(mode="json"),
            *(self.peripheral(used_id).model_dump(mode="json") for used_id in used),
        ]
        return sha256(canonical_json(content)).hexdigest()


def load_catalog(extra: Path | None = None) -> Catalog:
    """The packaged profiles and a site's own. Raises ProfileError (``file: key: what is wrong``)."""
    loader = _load(extra)
    if loader.problems:
        more = len(loader.problems) - 1
        hint = f" (+{more} more: hallfleet profiles check)" if more else ""
        raise ProfileError(f"{loader.problems[0]}{hint}")
    return loader.catalog()


def find_problems(extra: Path | None = None) -> list[str]:
    """Everything that is wrong, one line each; empty when all is well."""
    return _load(extra).problems


def _find(what: str, wanted: str, known: Mapping[str, Profile]) -> Profile:
    if wanted not in known:
        raise ProfileError(f"{what} {wanted!r} is not known; {nearest(wanted, known)}")
    return known[wanted]


def _fits(profile: PeripheralProfile, usb: str, identify: str) -> bool:
    asked = []
    if usb and profile.match.usb:
        asked.append(usb.lower() in profile.match.usb)
    if identify and profile.match.identify:
        asked.append(re.search(profile.match.identify, identify) is not None)
    return bool(asked) and all(asked)


@dataclass(slots=True)
class _Loader:
    """Collects profiles and problems of one or two folders."""

    peripherals: dict[str, PeripheralProfile] = field(default_factory=dict)
    machines: dict[str, MachineProfile] = field(default_factory=dict)
    halls: dict[str, HallProfile] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add_folder(self, root: Traversable) -> None:
        self._add_kind(root, "peripherals", PeripheralProfile, self.peripherals)
        self._add_kind(root, "machines", MachineProfile, self.machines)
        self._add_kind(root, "halls", HallProfile, self.halls)

    def _add_kind(self, root: Traversable, kind: str, schema: type[Profile], into: dict[str, Profile]) -> None:
        folder = root / kind
        if not folder.is_dir():
            return
        for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if file.name.endswith(".toml"):
                self._add_file(kind, file, schema, into)

    def _add_file(self, kind: str, file: Traversable, schema: type[Profile], into: dict[str, Profile]) -> None:
        profile_id = file.name.removesuffix(".toml")
        if profile_id in into:
            self.problems.append(
                f"{file}: {profile_id!r} is already taken by {self.places[kind, profile_id]}; "
                "give the file another name"
            )
            return
        # Known from here on, even when broken: one mistake is not reported again by all that refers to it.
        self.places[kind, profile_id] = str(file)
        try:
            into[profile_id] = schema.model_validate({**_read(file), "id": profile_id})
        except ProfileError as error:
            self.problems.append(str(error))
        except ValidationError as error:
            self.problems.extend(f"{file}: {problem}" for problem in problems_of(error, schema))

    def check_references(self) -> None:
        """Every peripheral of a slot, and every machine profile of a hall, must exist."""
        for machine in self.machines.values():
            for name, slot in machine.slots.items():
                self._refer("machines", machine.id, f"slots.{name}.peripheral", slot.peripheral, "peripherals")
            self._check_buses(machine)
        for hall in self.halls.values():
            for index, member in enumerate(hall.machines):
                self._refer("halls", hall.id, f"machines.{index}.profile", member.profile, "machines")
            self._check_counters(hall)

    def check_templates(self) -> None:
        """A vendor's line protocol is data: its mistakes are found here, not when the device is spoken to."""
        for profile in self.peripherals.values():
            if profile.driver == "line_template":
                place = self.places["peripherals", profile.id]
                problems = template_problems(profile.capability, profile.options)
                self.problems.extend(f"{place}: {problem}" for problem in problems)

    def check_matches(self) -> None:
        """No two peripherals may wait for the same device: nobody could tell which one it is."""
        seen: dict[tuple[str, str], str] = {}
        for profile in self.peripherals.values():
            for usb in profile.match.usb:
                other = seen.setdefault((usb, profile.match.identify), profile.id)
                if other != profile.id:
                    place = self.places["peripherals", profile.id]
                    self.problems.append(
                        f"{place}: match.usb: expected a device of its own, got {usb!r}, "
                        f"which {other!r} waits for too; tell them apart with match.identify"
                    )

    def _refer(self, kind: str, profile_id: str, key: str, wanted: str, target: str) -> None:
        known = [known_id for known_kind, known_id in self.places if known_kind == target]
        if wanted not in known:
            expected = f"expected the id of one of the {target}, got {wanted!r}; {nearest(wanted, known)}"
            self.problems.append(f"{self.places[kind, profile_id]}: {key}: {expected}")

    def _check_buses(self, machine: MachineProfile) -> None:
        for slots in machine.buses().values():
            peripherals = ((name, self.peripherals.get(machine.slots[name].peripheral)) for name in slots)
            members = {name: peripheral for name, peripheral in peripherals if peripheral is not None}
            place = self.places["machines", machine.id]
            self.problems.extend(f"{place}: {problem}" for problem in bus_problems(members))

    def _check_counters(self, hall: HallProfile) -> None:
        kinds = {member.id: self.machines.get(member.profile) for member in hall.machines}
        for index, counter in enumerate(hall.counters):
            machine = kinds[counter.machine]
            if machine and machine.kind != "counter_set":
                place = f"{self.places['halls', hall.id]}: counters.{index}.machine"
                self.problems.append(f"{place}: expected a counter_set, got {counter.machine!r}, a {machine.kind}")

    def catalog(self) -> Catalog:
        return Catalog(
            MappingProxyType(self.peripherals), MappingProxyType(self.machines), MappingProxyType(self.halls)
        )


def _load(extra: Path | None) -> _Loader:
    loader = _Loader()
    loader.add_folder(files("device_profiles"))
    if extra is not None:
        if not any((extra / kind).is_dir() for kind in SCHEMAS):
            got = "a folder without any of them" if extra.is_dir() else "none"
            loader.problems.append(f"{extra}: expected a folder with {', '.join(SCHEMAS)}, got {got}")
        else:
            loader.add_folder(extra)
    loader.check_references()
    loader.check_templates()
    loader.check_matches()
    return loader


def _read(file: Traversable) -> dict[str, object]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ProfileError(f"{file}: expected a readable file, got: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProfileError(
            f"{file}: expected UTF-8, got byte {error.object[error.start]:02X} at {error.start}"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file}: expected TOML, got: {error}") from error
    if "id" in content:
        raise ProfileError(f"{file}: id: the file's name is the id; leave this key out")
    return content
