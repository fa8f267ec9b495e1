"""Tell the story: scene after scene, each timed, each judged by what was seen."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx

from simulators.demo.run import RunningHall
from simulators.demo.story import devices, journeys, peripherals, staff, tickets, trust
from simulators.demo.story.observer import Observer
from simulators.demo.story.report import Step
from simulators.demo.story.world import Mismatch, World


@dataclass(frozen=True)
class Scene:
    """One step: what is expected, and the play that returns what was observed or raises Mismatch."""

    name: str
    expected: str
    play: Callable[[World], Awaitable[str]]


def scenes() -> list[Scene]:
    """The whole story in order; ``name | expected`` stands in the first line of each play's docstring."""
    # Journeys are spread out: after each one its last words stand on the machine's screen for a while.
    first, *later, last = journeys.PLAYS
    plays = [*tickets.PLAYS, first, *devices.PLAYS, *peripherals.PLAYS, *later, *staff.PLAYS, last, *trust.PLAYS]
    return [_scene(play) for play in plays]


async def tell(hall: RunningHall, *, cut_machine: str) -> AsyncIterator[Step]:
    """Start ``hall``, play every scene and yield its judgement. A hall that does not start is a failed first step."""
    ready_s = await hall.start(with_cuts_for=(cut_machine,))
    yield Step("hall starts", "ready in under 20 s", f"ready in {ready_s:.1f} s", ready_s < 20.0, int(ready_s * 1000))
    world = World(hall, Observer(hall.plan.broker_port))
    listening = asyncio.Event()
    observing = asyncio.create_task(world.observer.run(listening))
    try:
        await asyncio.wait_for(listening.wait(), 10.0)
        for scene in scenes():
            yield await _judge(scene, world)
    finally:
        observing.cancel()
        await asyncio.gather(observing, return_exceptions=True)


async def _judge(scene: Scene, world: World) -> Step:
    began = time.monotonic()
    try:
        observed, ok = await scene.play(world), True
    except (Mismatch, httpx.HTTPError, LookupError, TypeError, ValueError, ExceptionGroup) as error:
        observed, ok = f"{type(error).__name__}: {error}", False
    return Step(scene.name, scene.expected, observed, ok, int((time.monotonic() - began) * 1000))


def _scene(play: Callable[[World], Awaitable[str]]) -> Scene:
    name, _, expected = (play.__doc__ or "").strip().splitlines()[0].partition(" | ")
    if not expected:
        raise ValueError(f"{play.__name__}: expected a docstring `name | expected`")
    return Scene(name, expected.rstrip("."), play)
