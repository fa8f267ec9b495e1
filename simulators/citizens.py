"""Citizens: they come, take a ticket at a machine, and wait until they are called or have had enough."""

import asyncio
import random

from simulators.arrivals import Arrival, arrivals
from simulators.room import Room
from simulators.screens import ScreenUnavailable

TRIES = 8
FULL = 150  # more people do not go in: they come back another day
PATIENCE_S = (2400, 7200)


async def come(room: Room, group: asyncio.TaskGroup) -> None:
    """Let people in, without end; each lives in a task of ``group``."""
    passed = 0.0
    for arrival in arrivals(room.hall, room.seed, room.load):
        await room.tempo.spend(max(0.0, arrival.at_s - passed))
        passed = max(passed, arrival.at_s)
        person = _somebody(room, arrival)
        if not person:
            room.counts["turned_away"] += 1
            continue
        room.inside.add(person)
        room.counts["arrived"] += 1
        group.create_task(visit(room, person, arrival))


async def visit(room: Room, person: str, arrival: Arrival) -> None:
    """From the door to the seat: take a ticket, wait, and go home when it takes too long."""
    rng = random.Random(f"citizen/{arrival.seed}")
    await room.tempo.spend(rng.uniform(5, 30))
    number = await _take_ticket(room, person, arrival, rng)
    if not number:
        room.counts["gave_up"] += 1
        room.inside.discard(person)
        return
    room.counts["tickets"] += 1
    room.left.discard(number)
    room.waiting[number] = person
    await room.tempo.spend(rng.uniform(*PATIENCE_S))
    if room.waiting.get(number) == person:
        del room.waiting[number]
        room.left.add(number)
        room.inside.discard(person)
        room.counts["left"] += 1


async def _take_ticket(room: Room, person: str, arrival: Arrival, rng: random.Random) -> str:
    """Try one machine after the other until one gives a ticket; empty when none does."""
    machines = [m.id for m in room.machines.values() if m.profile.tickets and room.screens.has(m.id)]
    for attempt in range(TRIES if machines else 0):
        machine = rng.choice(machines)
        async with room.turns[machine]:
            try:
                return await _at_the_machine(room, machine, person, arrival, rng)
            except ScreenUnavailable:
                room.counts["screen_unavailable"] += 1
        await room.tempo.spend(rng.uniform(5, 15) * (attempt + 1))
    return ""


async def _at_the_machine(room: Room, machine: str, person: str, arrival: Arrival, rng: random.Random) -> str:
    await room.tempo.spend(rng.uniform(4, 15))
    with_card = arrival.with_card and "id_reader" in room.machines[machine].ports
    visit_key = f"v{arrival.seed:010d}{rng.randrange(10**6):06d}"
    if not with_card:
        return await room.screens.take_ticket(machine, arrival.service, visit_key, with_card=False)
    laying = asyncio.create_task(_lay_card(room, machine, person, rng.uniform(1, 4)))
    try:
        return await room.screens.take_ticket(machine, arrival.service, visit_key, with_card=True)
    finally:
        laying.cancel()
        await asyncio.wait({laying})
        room.press(machine, "id_reader", "remove_card")


async def _lay_card(room: Room, machine: str, person: str, after_s: float) -> None:
    await room.tempo.spend(after_s)
    room.press(machine, "id_reader", "insert_card", person=person)


def _somebody(room: Room, arrival: Arrival) -> str:
    """A person who is not in the hall yet."""
    if len(room.inside) >= min(FULL, len(room.people)):
        return ""
    outside = [person.key for person in room.people if person.key not in room.inside]
    return random.Random(arrival.seed).choice(outside)
