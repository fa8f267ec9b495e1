"""A whole hall in one process: every machine's peripherals, its citizens, clerks and attendant, and the control API."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from device_profiles.catalog import Catalog
from device_profiles.errors import nearest
from device_profiles.schema.hall import HallProfile
from simulators.arrivals import LOAD
from simulators.attendant import walk_rounds
from simulators.citizens import come
from simulators.clerks import work
from simulators.control import control_app
from simulators.errors import UnknownName
from simulators.machine import SimulatedMachine
from simulators.people import People
from simulators.room import Room
from simulators.screens import Screens, read_screens
from simulators.serving import serve
from simulators.tempo import Tempo
from simulators.visitor import keep_coming

FASTEST_DEVICE = 10.0  # mechanisms do not run faster than this, whatever the speed of the people
SELF_SERVICE_GAP_S = 420.0


@dataclass(frozen=True)
class HallOptions:
    """How to run a hall. ``screens`` is a JSON file {machine: port}; ``control_port`` 0 means no control API."""

    hall: str
    folder: Path
    control_port: int = 0
    seed: int = 1
    speed: float = 1.0
    screens: Path | None = None
    paused: bool = False
    load: float = LOAD


class SimulatedHall:
    """The hall's machines, and its people if they may act. Everything ends when ``run`` is told to stop."""

    def __init__(self, catalog: Catalog, options: HallOptions) -> None:
        self._options = options
        self.profile = catalog.hall(options.hall)
        self.people = People(options.seed)
        self.machines = build_machines(self.profile, catalog, options, self.people)
        self.tempo = Tempo(options.speed, options.paused)
        self._ports = read_screens(options.screens)
        for machine in self._ports:
            if machine not in self.machines:
                raise UnknownName(f"{options.screens}: no machine {machine!r} here; {nearest(machine, self.machines)}")

    async def run(self, stop: asyncio.Event, ready: asyncio.Event) -> None:
        """Plug everything in, set ``ready``, let people live until ``stop`` is set; then pull all cables."""
        try:
            for machine in self.machines.values():
                machine.plug()
            async with Screens(self._ports) as screens:
                room = Room(
                    self.profile,
                    self.machines,
                    self.people,
                    screens,
                    self.tempo,
                    self._options.seed,
                    self._options.load,
                )
                await self._live(room, stop, ready)
        finally:
            for machine in self.machines.values():
                machine.unplug()

    async def _live(self, room: Room, stop: asyncio.Event, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            crowd = group.create_task(self._crowd(room))
            ready.set()
            if self._options.control_port:
                await serve(control_app(self.machines, self.people, room), self._options.control_port, stop)
            else:
                await stop.wait()
            crowd.cancel()

    async def _crowd(self, room: Room) -> None:
        """Everybody, in one group: cancelling it sends all home."""
        async with asyncio.TaskGroup() as group:
            group.create_task(come(room, group))
            group.create_task(walk_rounds(room))
            for counter in self.profile.counters:
                group.create_task(work(room, counter))
            for machine in self.machines.values():
                if machine.profile.items and room.screens.has(machine.id):
                    group.create_task(keep_coming(room, machine.id, SELF_SERVICE_GAP_S))


def build_machines(
    profile: HallProfile, catalog: Catalog, options: HallOptions, people: People
) -> dict[str, SimulatedMachine]:
    """Every machine of the hall, not yet plugged in."""
    speed = min(FASTEST_DEVICE, max(1.0, options.speed))
    return {
        machine.id: SimulatedMachine(
            machine.id, catalog.machine(machine.profile), catalog, options.folder, people, speed
        )
        for machine in profile.machines
    }
