"""The cable is pulled out at any moment of any command, of every profile: it ends, and its outcome is said truly.

The conversation of a whole scene is counted first: every write before, amid and after its bytes, every byte that is
read, every wait. Then it is played again and cut at one of these moments: a sample of them here, all in the soak.
"""

import asyncio
import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Effect
from device_profiles.catalog import load_catalog
from firmware_bridge.errors import (
    BridgeError,
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    TransportLost,
    UnsupportedCommand,
)
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.memory import MemoryTransport, Peer, VirtualClock
from simulators.errors import SimulatorError
from simulators.people import People
from simulators.peripherals import build_peer
from tests.builders.bench import Bench
from tests.builders.scenes import Act, scene_of

CATALOG = load_catalog()
PROFILES = sorted(CATALOG.peripherals)
SAMPLE = 40
LONGEST_S = 60.0  # of the device's time, for one command
PEOPLE = People(seed=1, count=3)


class CutTransport(MemoryTransport):
    """A line whose cable is pulled out at the ``cut_at``-th moment; bytes come one by one."""

    def __init__(self, peer: Peer, clock: VirtualClock) -> None:
        super().__init__(peer, clock)
        self.cut_at = -1
        self.moments = 0
        self.writes_since_mark = 0
        self._held = bytearray()

    async def write(self, data: bytes) -> None:
        self.writes_since_mark += 1
        self._moment()
        half = len(data) // 2
        if half and self.moments + 1 == self.cut_at:
            await super().write(data[:half])
        self._moment()
        await super().write(data)
        self._moment()

    async def read(self) -> bytes:
        self._moment()
        if not self._held:
            self._held.extend(await super().read())
        self._moment()
        return bytes((self._held.pop(0),))

    def discard_input(self) -> int:
        dropped = len(self._held)
        self._held.clear()
        return dropped + super().discard_input()

    def unplug(self) -> None:
        self._held.clear()
        super().unplug()

    def _moment(self) -> None:
        self.moments += 1
        if self.moments == self.cut_at:
            self.unplug()
        self._check()


@dataclass
class Played:
    """What became of a scene: of every command its outcome; ``cut``: the command during which the cable was pulled.

    ``beside``: commands that needed no line, since the answer was at hand.
    """

    outcomes: list[tuple[Act, str]] = field(default_factory=list)
    beside: list[Act] = field(default_factory=list)
    cut: Act | None = None
    untouched: bool = False  # nothing of that command had been written when the cable was pulled
    moments: int = 0


async def play(profile_id: str, cut_at: int = -1) -> tuple[Played, Bench]:
    """Identify, then the whole scene."""
    profile = CATALOG.peripheral(profile_id)
    clock, peer = VirtualClock(), build_peer(profile, 1, {"people": PEOPLE})
    transport = CutTransport(peer, clock)
    await transport.open()
    bench = Bench(profile, peer, clock, transport, load_driver(profile, transport, clock))
    await bench.driver.identify()
    played, transport.moments, transport.cut_at = Played(), 0, cut_at
    for act in scene_of(profile.capability):
        before, transport.writes_since_mark = transport.moments, 0
        outcome = await perform(bench, act)
        played.outcomes.append((act, outcome))
        if transport.moments == before:
            played.beside.append(act)
        if before < cut_at <= transport.moments:
            played.cut, played.untouched = act, transport.writes_since_mark == 0
    played.moments = transport.moments
    return played, bench


async def perform(bench: Bench, act: Act) -> str:
    """Run a command as a slot does; the outcome in one word."""
    for button, args in act.press.items():
        if button in bench.peer.buttons:
            bench.clock.at(bench.clock.monotonic() + 0.2, partial(press, bench, button, args))
    began = bench.clock.monotonic()
    try:
        async with bench.clock.timeout(LONGEST_S):
            await bench.run(act.command, **act.args)
        return "success"
    except (TransportLost, OutcomeUnknown, DeviceFault, LinkTimeout, UnsupportedCommand, TimeoutError) as error:
        return type(error).__name__
    finally:
        assert bench.clock.monotonic() - began <= LONGEST_S


def press(bench: Bench, button: str, args: Mapping[str, Any]) -> None:
    """What a person does; a device may have no use for it at that moment."""
    with suppress(SimulatorError):
        bench.press(button, **args)


async def cut_and_look(profile_id: str, moment: int) -> None:
    tasks = asyncio.all_tasks()
    played, bench = await play(profile_id, moment)
    assert asyncio.all_tasks() == tasks, "a task is left"
    if played.cut is None:
        return  # the device did not say the same again (it is allowed to), and the scene was over before
    effect = CAPABILITIES[bench.profile.capability].commands[played.cut.command].effect
    index = next(number for number, (act, _) in enumerate(played.outcomes) if act is played.cut)
    outcome = played.outcomes[index][1]
    after = [said for act, said in played.outcomes[index + 1 :] if act not in played.beside]
    allowed = {"TransportLost", "DeviceFault", "LinkTimeout", "success"}
    if effect is Effect.ONCE and not played.untouched:
        allowed.add("OutcomeUnknown")
    assert outcome in allowed, f"{played.cut.command} ({effect}) cut at {moment}: {outcome}"
    assert "success" not in after, "a command succeeded without a cable"
    await recovers(bench)


async def recovers(bench: Bench) -> None:
    """Plugged in again and opened, it works: nothing of the cut conversation is in the way."""
    bench.transport.plug()
    await bench.transport.open()
    driver = load_driver(bench.profile, bench.transport, bench.clock)
    for _ in range(3):  # a card may be moving, or an answer to the cut request may still be on its way
        with suppress(BridgeError):
            await driver.identify()
            await driver.status()
            return
        await bench.clock.sleep(5.0)
    await driver.identify()
    await driver.status()


def sampled(moments: int, seed: str) -> Iterator[int]:
    """The first moments, the last one, and some between."""
    head = list(range(1, min(moments, 6) + 1))
    rest = range(head[-1] + 1, moments + 1) if head else range(0)
    yield from head
    yield from sorted(random.Random(seed).sample(rest, min(len(rest), SAMPLE - len(head))))


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_cable_pulled_out_at_any_moment_ends_the_command(profile: str) -> None:
    whole, _ = await play(profile)
    for moment in sampled(whole.moments, profile):
        await cut_and_look(profile, moment)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("profile", PROFILES)
async def test_at_every_moment(profile: str) -> None:
    whole, _ = await play(profile)
    for moment in range(1, whole.moments + 1):
        await cut_and_look(profile, moment)


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_scene_works_with_the_cable_in(profile: str) -> None:
    """Otherwise the cuts above would prove little."""
    played, _ = await play(profile)
    outcomes = {act.command: said for act, said in played.outcomes}
    assert not {"TransportLost", "LinkTimeout", "OutcomeUnknown", "TimeoutError"} & set(outcomes.values()), outcomes
