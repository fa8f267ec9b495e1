"""What everybody in the simulated hall shares: machines, screens, the clock, and who waits with which number."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from device_profiles.schema.hall import HallProfile
from simulators.arrivals import LOAD
from simulators.errors import SimulatorError
from simulators.machine import SimulatedMachine
from simulators.people import People
from simulators.screens import Screens
from simulators.tempo import Tempo


@dataclass
class Room:
    """One hall. ``waiting`` maps ticket numbers to persons; ``left`` holds numbers whose owners went home."""

    hall: HallProfile
    machines: Mapping[str, SimulatedMachine]
    people: People
    screens: Screens
    tempo: Tempo
    seed: int
    load: float = LOAD
    waiting: dict[str, str] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    inside: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))

    @property
    def paused(self) -> bool:
        """Whether the people stand still."""
        return self.tempo.paused

    def pause(self) -> None:
        """Stop the people."""
        self.tempo.pause()

    def resume(self) -> None:
        """Let the people go on."""
        self.tempo.resume()

    def activity(self) -> dict[str, Any]:
        """What has happened so far."""
        return {"counts": dict(self.counts), "waiting": sorted(self.waiting), "inside": len(self.inside)}

    def press(self, machine: str, slot: str, button: str, **arguments: Any) -> bool:
        """Press a button as a person would; False (and counted) when the device does not let itself be pressed."""
        try:
            self.machines[machine].press(slot, button, **arguments)
        except SimulatorError:
            self.counts[f"refused_{button}"] += 1
            return False
        return True

    def see(self, machine: str, slot: str) -> dict[str, Any]:
        """Look at a device."""
        return self.machines[machine].snapshot(slot)
