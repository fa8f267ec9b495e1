"""Cables pulled and pushed at random while commands run: slots end right, nothing leaks, commands settle once."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from edge_agent.slots.states import SlotState
from tests.edge_agent.churn import ChurnedMachine, churned_machine, open_descriptors
from tests.edge_agent.fakes import eventually

PACE_S = 0.05  # how often something happens, on the average
SOAK_S = 600.0


async def churn(machine: ChurnedMachine, for_s: float) -> None:
    end = asyncio.get_running_loop().time() + for_s
    while asyncio.get_running_loop().time() < end:
        await machine.step()
        await asyncio.sleep(machine.rng.random() * 2 * PACE_S)  # the pace of the hands: nothing is waited for


async def prove(folder: Path, seed: int, for_s: float) -> None:
    async with churned_machine(folder, seed) as machine:
        await running_again(machine)
        tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
        await churn(machine, for_s)
        await half_of_them_right(machine)
        machine.hands.put_right()
        await running_again(machine)
        await eventually(lambda: len(machine.settled()) >= len(machine.accepted), within_s=60)
        assert Counter(machine.settled()) == Counter(machine.accepted), "every command settles exactly once"
        await eventually(lambda: len(asyncio.all_tasks()) == tasks)
        await eventually(lambda: open_descriptors() == descriptors)
        print(f"seed {seed}: {len(machine.accepted)} commands, {len(machine.slots)} slots, {tasks} tasks")


async def running_again(machine: ChurnedMachine) -> None:
    try:
        await eventually(machine.all_running, within_s=30)
    except TimeoutError:
        late = {name: f"{slot.state}: {slot.refused}" for name, slot in machine.slots.items() if not slot.ready}
        pytest.fail(f"expected every slot to run, got {late}")


async def half_of_them_right(machine: ChurnedMachine) -> None:
    """Some where they belong, some pulled out, two in each other's socket: each slot knows."""
    hands, names = machine.hands, sorted(machine.slots)
    hands.put_right()
    out = set(names[::3])
    for name in out:
        hands.unplug(name)
    one, other = "sdt_sam_v", "hdp_display"
    hands.swap(one, other)
    wrong = {one, other}
    await eventually(lambda: all(machine.slots[name].state is SlotState.ABSENT for name in out - wrong), within_s=30)
    await eventually(lambda: all(machine.slots[name].ready for name in set(names) - out - wrong), within_s=30)
    await eventually(lambda: not any(machine.slots[name].ready for name in wrong), within_s=30)
    assert all(machine.slots[name].state is not SlotState.ABSENT for name in wrong)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
async def test_churn(tmp_path: Path, seed: int) -> None:
    await prove(tmp_path, seed, 5.0)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_ten_minutes_of_churn(tmp_path: Path) -> None:
    await prove(tmp_path, 3, SOAK_S)
