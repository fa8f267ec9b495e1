"""Faults drawn from a seed: the same seed hurts the same victims in the same order."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from simulators.demo.link_cut import LinkCut
from tests.e2e.chaos.town import Town
from tests.e2e.chaos.victims import Victim
from tests.servers.process import Server

AWAY_S = (0.3, 3.0)
PAUSE_S = (0.2, 1.2)
AT_ONCE = 4
# Of every ten faults six hit a machine: there are more of them.
WEIGHTS = {"machine": 6, "cloud": 2, "broker": 1, "database": 1}
Fault = Callable[[float], Awaitable[None]]


class Storm:
    """``run`` until cancelled or told to stop; ``faults`` counts what was done."""

    def __init__(self, town: Town, seed: int) -> None:
        self._town = town
        self._random = random.Random(seed)
        self._turns: dict[str, asyncio.Lock] = {}
        self.faults: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Hurt for so long; everybody is well again at the end."""
        end = asyncio.get_running_loop().time() + seconds
        slots = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            while asyncio.get_running_loop().time() < end:
                name, fault = self._draw()
                group.create_task(self._do(slots, name, fault, self._random.uniform(*AWAY_S)))
                await asyncio.sleep(self._random.uniform(*PAUSE_S))

    async def _do(self, slots: asyncio.Semaphore, name: str, fault: Fault, away_s: float) -> None:
        turn = self._turns.setdefault(name.partition(":")[0], asyncio.Lock())
        async with slots, turn:
            self.faults[name.partition(":")[2]] += 1
            await fault(away_s)

    def _draw(self) -> tuple[str, Fault]:
        kinds = {kind: weight for kind, weight in WEIGHTS.items() if kind != "database" or self._town.database}
        kind = self._random.choices(list(kinds), list(kinds.values()))[0]
        if kind == "machine":
            return self._of_machine(self._random.choice(self._town.plan.names))
        if kind == "cloud":
            return self._of_victim(self._town.cloud, "cloud", disk=not self._town.plan.postgres)
        hurt = self._town.broker if kind == "broker" else self._town.database
        if isinstance(hurt, Victim):
            return self._of_victim(hurt, kind, disk=False)
        assert hurt is not None
        return self._of_server(hurt, kind)

    def _of_machine(self, name: str) -> tuple[str, Fault]:
        if self._random.random() < 0.25:
            return f"{name}-cable:link cut", partial(cut, self._town.cables[name])
        return self._of_victim(self._town.machines[name], "machine", disk=True, name=name)

    def _of_victim(self, victim: Victim, kind: str, *, disk: bool, name: str = "") -> tuple[str, Fault]:
        faults: dict[str, Fault] = {"killed": victim.kill, "frozen": victim.freeze}
        if disk:
            faults["disk full"] = victim.fill_disk
        chosen = self._random.choice(list(faults))
        return f"{name or kind}:{kind} {chosen}", faults[chosen]

    def _of_server(self, server: Server, kind: str) -> tuple[str, Fault]:
        wipe = kind == "broker" and self._town.plan.wipe
        faults: dict[str, Fault] = {"killed": partial(kill, server, wipe), "frozen": partial(freeze, server)}
        chosen = self._random.choice(list(faults))
        what = f"{kind} {chosen}{' and wiped' if wipe and chosen == 'killed' else ''}"
        return f"{kind}:{what}", faults[chosen]


async def cut(cable: LinkCut, away_s: float) -> None:
    """Pull a machine's cable."""
    cable.cut()
    await asyncio.sleep(away_s)
    cable.mend()


async def kill(server: Server, wipe: bool, away_s: float) -> None:
    """SIGKILL a server; with ``wipe`` what it kept is gone."""
    await asyncio.to_thread(server.kill)
    if wipe:
        (server.folder / "mosquitto.db").unlink(missing_ok=True)
    await asyncio.sleep(away_s)
    await asyncio.to_thread(server.start)


async def freeze(server: Server, away_s: float) -> None:
    """SIGSTOP a server for a while."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(away_s)
    finally:
        os.kill(server.pid, signal.SIGCONT)
