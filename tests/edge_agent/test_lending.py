"""A slot's port in other hands: an update has it alone, and the device is found again afterwards."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from device_profiles.capabilities.model import DeviceState, Nothing, Shape
from edge_agent.errors import SlotNotReady
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.slots.states import SlotState
from tests.edge_agent.fakes import FakeDriver, Listener, VirtualClock, make_slot, running, settle


class Lender:
    """A slot whose port somebody borrows."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.outbox, self.listener = VirtualClock(), MemoryOutbox(), Listener()
        self.driver, self.port = FakeDriver("printer"), folder / "port"
        self.port.touch()
        self.slot: SlotRunner = make_slot(self.driver, self.port, SlotParts(self.clock, self.outbox, self.listener))
        self.borrowed, self.done = asyncio.Event(), asyncio.Event()

    async def work(self) -> str:
        assert self.driver.closed == self.driver.opened, "the driver still has the port"
        self.borrowed.set()
        await self.done.wait()
        return self.slot.port

    def borrow(self, work: Callable[[], Awaitable[str]] | None = None) -> asyncio.Task[str]:
        async def lend() -> str:
            return await self.slot.lend(work or self.work)

        return asyncio.create_task(lend())

    async def until_ready(self) -> None:
        await self.clock.until(lambda: self.slot.ready)


@asynccontextmanager
async def lender(folder: Path) -> AsyncIterator[Lender]:
    found = Lender(folder)
    async with running(found.slot.run):
        yield found


async def test_the_port_is_lent_and_the_device_identified_again(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        await found.until_ready()
        task = found.borrow()
        await found.clock.until(found.borrowed.is_set)
        assert found.slot.state is SlotState.LENT
        assert found.slot.status.device is DeviceState.STARTING
        with pytest.raises(SlotNotReady) as refused:
            await found.slot.execute("reset", Nothing(), run_for_s=5)
        assert refused.value.code == "updating"
        found.done.set()
        assert await task == str(found.port)
        await found.slot.settled()
        assert found.slot.ready
        assert found.driver.opened == 2
        assert found.listener.states[-4:] == ["lent", "opening", "identifying", "running"]
        assert [row.type for row in found.outbox.rows[-2:]] == ["printer.device_starting", "printer.device_online"]


async def test_the_running_command_and_those_in_line_end_first(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        await found.until_ready()
        printed = asyncio.Event()

        async def act(args: Shape) -> Shape:
            await printed.wait()
            return Nothing()

        found.driver.acts["reset"] = act
        commands = [asyncio.create_task(found.slot.execute("reset", Nothing(), run_for_s=60)) for _ in range(2)]
        await settle()
        task = found.borrow()
        found.clock.advance(5)
        await settle()
        assert not found.borrowed.is_set()
        printed.set()
        await asyncio.gather(*commands)
        await found.clock.until(found.borrowed.is_set)
        found.done.set()
        await task


async def test_a_work_that_fails_gives_the_port_back(tmp_path: Path) -> None:
    async def fail() -> str:
        raise ValueError("the image is for another device")

    async with lender(tmp_path) as found:
        await found.until_ready()
        with pytest.raises(ValueError, match="another device"):
            await found.borrow(fail)
        await found.until_ready()
        assert found.driver.opened == 2


async def test_a_cancelled_work_gives_the_port_back(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        await found.until_ready()
        task = found.borrow()
        await found.clock.until(found.borrowed.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await found.until_ready()
        assert found.driver.opened == 2


async def test_a_borrower_may_change_its_mind_before_the_port_is_free(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        await found.until_ready()
        held = asyncio.Event()

        async def act(args: Shape) -> Shape:
            await held.wait()
            return Nothing()

        found.driver.acts["reset"] = act
        command = asyncio.create_task(found.slot.execute("reset", Nothing(), run_for_s=60))
        await settle()
        task = found.borrow()
        await settle()
        task.cancel()
        await settle()
        held.set()
        await command
        await found.until_ready()
        assert not found.borrowed.is_set()
        assert SlotState.LENT not in found.listener.states
        await found.slot.settled()


async def test_a_device_that_does_not_answer_can_be_lent(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        found.driver.lost = True
        await found.clock.until(lambda: found.slot.state is SlotState.BACKING_OFF)
        task = asyncio.create_task(found.slot.lend(found.done.wait))
        await found.clock.until(lambda: found.slot.state is SlotState.LENT)
        found.driver.lost = False
        found.done.set()
        await task
        await found.until_ready()


async def test_borrowers_take_turns(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        await found.until_ready()
        first = found.borrow()
        await found.clock.until(found.borrowed.is_set)
        found.borrowed.clear()
        second = found.borrow()
        await settle()
        assert not found.borrowed.is_set()
        found.done.set()
        await first
        await found.clock.until(second.done)
        await found.until_ready()
        assert found.driver.opened == 3


async def test_nothing_is_lent_where_there_is_no_device(tmp_path: Path) -> None:
    async with lender(tmp_path) as found:
        await found.until_ready()
        found.port.unlink()
        found.driver.lost = True
        task = found.borrow()
        await found.clock.until(task.done)
        with pytest.raises(SlotNotReady) as refused:
            await task
        assert refused.value.code == "no_device"
        await found.clock.until(lambda: found.slot.state is SlotState.ABSENT)
        with pytest.raises(SlotNotReady) as refused:
            await found.borrow()
        assert refused.value.code == "no_device"
