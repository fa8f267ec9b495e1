"""Devices that share one line: what has to be the same for all of them, and what has to differ."""

from collections.abc import Iterator, Mapping

from device_profiles.schema.peripheral import PeripheralProfile


def bus_problems(members: Mapping[str, PeripheralProfile]) -> Iterator[str]:
    """What keeps the peripherals of these slots from sharing a line, each as ``slot: expected ..., got ...``."""
    first_slot, first = next(iter(members.items()), ("", None))
    for slot, profile in members.items():
        for key in ("line", "attachment"):
            ours, theirs = getattr(profile, key), getattr(first, key)
            if ours != theirs:
                yield f"slots.{slot}: expected the {key} of slot {first_slot} on the same bus ({theirs}), got {ours}"
    if len(members) < 2:
        return
    units: dict[object, str] = {}
    for slot, profile in members.items():
        if (unit := profile.options.get("unit")) is None:
            yield f"slots.{slot}: expected a peripheral with options.unit: devices on a bus are told apart by it"
            continue
        if (other := units.setdefault(unit, slot)) != slot:
            yield f"slots.{slot}: expected a unit of its own on the bus, got {unit}, which slot {other} has too"
