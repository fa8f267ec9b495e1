"""The hall's attendant: walks the round and does what hall staff do to machines (action ``clear``)."""

import random

from simulators.room import Room

ROUND_S = (480.0, 900.0)


async def walk_rounds(room: Room) -> None:
    """Put paper where it is low or out, empty full bins, without end."""
    rng = random.Random(f"attendant/{room.seed}")
    while True:
        await room.tempo.spend(rng.uniform(*ROUND_S))
        for machine in room.machines.values():
            for slot in machine.ports:
                tend(room, machine.id, slot)


def tend(room: Room, machine: str, slot: str) -> None:
    """Look at one device and do what it needs."""
    seen = room.see(machine, slot)
    if seen.get("paper") in ("low", "out"):
        room.press(machine, slot, "load_paper")
        room.counts["paper_loaded"] += 1
    if seen.get("bin", 0) >= 50:
        room.press(machine, slot, "empty_bin")
