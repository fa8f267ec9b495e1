"""Stand-ins for agents and cloud: one queue, spoken to by raw bytes and by HTTP, for the people of a hall.

They know nothing of the real ones. What they do is what a citizen or a clerk can see of them.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException

from simulators.machine import SimulatedMachine

LOOK_S = 0.005


class Hall:
    """Hands out numbers and calls them; ``down`` makes every screen dark."""

    def __init__(self, machines: Mapping[str, SimulatedMachine], prefixes: Mapping[str, str]) -> None:
        self._machines = machines
        self._prefixes = prefixes
        self.queue: deque[str] = deque()
        self.issued = 0
        self.keys: list[tuple[str, int]] = []
        self.down = False

    def screens(self) -> FastAPI:
        """The screen that all ticket machines share here."""
        app = FastAPI()

        @app.post("/api/tickets", status_code=201)
        async def take(wish: dict[str, Any]) -> dict[str, str]:
            if self.down:
                raise HTTPException(503)
            self.issued += 1
            number = f"{self._prefixes[wish['service']]}{self.issued:03d}"
            self.queue.append(number)
            return {"number": number, "token": f"t{self.issued}"}

        return app

    async def run(self) -> None:
        """Obey the callers' keys, for ever."""
        while True:
            for machine in self._machines.values():
                if "caller" in machine.ports:
                    self._serve_counter(machine)
            await asyncio.sleep(LOOK_S)

    def _serve_counter(self, machine: SimulatedMachine) -> None:
        unit = {slot: _unit(machine, slot) for slot in machine.ports}
        event = _ask(machine, "caller", unit["caller"], "04 00 00 00 07")
        sequence, key = int.from_bytes(event[11:13], "big"), int.from_bytes(event[13:15], "big")
        if not key:
            return
        _ask(machine, "caller", unit["caller"], f"06 00 14 {sequence:04X}")
        self.keys.append((machine.id, key))
        if key == 1 and self.queue:
            number = self.queue.popleft()
            shown = f"00 {ord(number[0]):02X} {int(number[1:]):04X}"
            _ask(machine, "display", unit["display"], f"10 00 11 00 02 04 {shown}")
        elif key == 4:
            _ask(machine, "pad", unit["pad"], "06 00 10 00 02")


def _unit(machine: SimulatedMachine, slot: str) -> int:
    for unit in range(1, 33):
        if _ask(machine, slot, unit, "04 00 00 00 01"):
            return unit
    raise AssertionError(f"{machine.id}: no unit answers at {slot}")


def _ask(machine: SimulatedMachine, slot: str, unit: int, text: str) -> bytes:
    frame = bytes((unit,)) + bytes.fromhex(text)
    value = 0xFFFF
    for byte in frame:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    now = asyncio.get_running_loop().time()
    return b"".join(data for _, data in machine.ports[slot].peer.receive(frame + value.to_bytes(2, "little"), now))
