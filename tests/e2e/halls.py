"""Whole halls for tests: every process a child on free ports, seen only from outside."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from simulators.demo.plan import make_plan
from simulators.demo.run import new_run
from simulators.demo.story.observer import Observer
from simulators.demo.story.world import World


@asynccontextmanager
async def running_hall(folder: Path, hall_id: str, *, speed: float = 20.0) -> AsyncIterator[World]:
    """Start ``hall_id``, wait until it serves, and end all of it after the block."""
    plan = make_plan(folder, hall_id=hall_id, port=0, seed=1, speed=speed, dispatch_interval_s=1.0, people_paused=True)
    hall = new_run(plan)
    try:
        await hall.start()
        world = World(hall, Observer(plan.broker_port))
        listening = asyncio.Event()
        observing = asyncio.create_task(world.observer.run(listening))
        try:
            await asyncio.wait_for(listening.wait(), 10.0)
            yield world
        finally:
            observing.cancel()
            await asyncio.gather(observing, return_exceptions=True)
    finally:
        await hall.stop()
