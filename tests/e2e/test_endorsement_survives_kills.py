"""The cloud is killed with -9 between the steps of an endorsement: no double print, no double charge, the case ends."""

import asyncio
from pathlib import Path

import pytest

from simulators.demo.plan import CLOUD
from simulators.demo.story.journeys import balance_outside, difference, ended, play_endorsement, start
from simulators.demo.story.world import World
from tests.e2e.halls import running_hall

MACHINE = "corner-endorse-1"
ONE_OF_EACH = {"cards": 1, "papers": 1, "paid": 1}


async def kill_after(world: World, session: str, way: str, count: int) -> None:
    """Kill and restart the cloud as soon as ``count`` messages of the journey went that way."""
    await world.observer.until(lambda: world.observer.passed(session, way) >= count)
    await world.hall.supervisor.kill(CLOUD)
    await world.hall.supervisor.restart(CLOUD)
    await world.hall.wait_for(world.hall.cloud_ready, "the cloud is back")


async def endorse(world: World, person: str, kills: list[tuple[str, int]]) -> None:
    """One endorsement during which the cloud dies after each of ``kills``."""
    before = await balance_outside(world, MACHINE)
    session = await start(world, MACHINE, "hk-macao-endorsement")

    async def killer() -> None:
        for way, count in kills:
            await kill_after(world, session, way, count)

    killing = asyncio.create_task(killer())
    try:
        await play_endorsement(world, person, machine=MACHINE)
        case = await ended(world, session)
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)
    after = await balance_outside(world, MACHINE)
    assert case["state"] == "done", case
    assert difference(before, after) == ONE_OF_EACH
    assert after["card_in_machine"] is False


async def steps_of_a_quiet_run(world: World) -> int:
    await endorse(world, "p001", [])
    return world.observer.passed(world.sessions[MACHINE], "result")


@pytest.mark.timeout(240)
async def test_one_case_survives_a_kill_after_every_command_and_every_result(tmp_path: Path) -> None:
    async with running_hall(tmp_path, "self-service-corner") as world:
        steps = await steps_of_a_quiet_run(world)
        assert steps >= 12
        world.patience = 8.0
        await endorse(world, "p002", [("command", number) for number in range(1, steps + 1)])
        await endorse(world, "p003", [("result", number) for number in range(1, steps + 1)])


@pytest.mark.soak
async def test_each_kill_alone(tmp_path: Path) -> None:
    async with running_hall(tmp_path, "self-service-corner") as world:
        steps = await steps_of_a_quiet_run(world)
        kills = [(way, number) for way in ("command", "result") for number in range(1, steps + 1)]
        for index, kill in enumerate(kills):
            await endorse(world, f"p{index + 2:03d}", [kill])  # each with a payment code of his own
