"""Deadlines of the real clock: they share one timer, and nobody notices."""

import asyncio
import time

import pytest

from firmware_bridge.clock import SystemClock


async def test_time_runs_out_only_for_the_block_whose_deadline_it_is() -> None:
    clock = SystemClock()
    async with clock.timeout(30):
        with pytest.raises(TimeoutError):
            async with clock.timeout(0.01):
                await asyncio.sleep(30)
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with clock.timeout(0.01), clock.timeout(30):
            await asyncio.sleep(30)


async def test_a_later_deadline_rings_after_an_earlier_one_was_met() -> None:
    clock = SystemClock()
    started = time.monotonic()
    async with clock.timeout(0.02):
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with clock.timeout(0.05):
            await asyncio.sleep(30)
    assert 0.05 <= time.monotonic() - started < 5


async def test_a_deadline_of_nothing_lets_nobody_wait() -> None:
    with pytest.raises(TimeoutError):
        async with SystemClock().timeout(0):
            await asyncio.sleep(30)


async def test_two_deadlines_at_once_end_the_outer_block() -> None:
    clock = SystemClock()
    reached = []

    async def nested() -> None:
        async with clock.timeout(0):
            async with clock.timeout(0):
                await asyncio.sleep(30)
            reached.append("behind the inner block")

    task = asyncio.ensure_future(nested())
    with pytest.raises(TimeoutError):
        await task
    assert not reached
    assert not task.cancelling()


async def test_somebody_else_s_cancellation_stays_one() -> None:
    clock = SystemClock()

    async def waits() -> None:
        async with clock.timeout(30):
            await asyncio.sleep(30)

    task = asyncio.ensure_future(waits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_many_tasks_have_their_own_deadlines() -> None:
    clock = SystemClock()

    async def wait(seconds: float) -> bool:
        try:
            async with clock.timeout(seconds):
                await asyncio.sleep(0.2)
        except TimeoutError:
            return False
        return True

    seconds = [0.01, 30, 0.05, 20, 0.02, 10]
    assert await asyncio.gather(*map(wait, seconds)) == [False, True, False, True, False, True]


async def test_requests_leave_no_timers_behind() -> None:
    clock = SystemClock()
    for _ in range(1000):
        async with clock.timeout(30):
            pass
    loop = asyncio.get_running_loop()
    assert len(getattr(loop, "_scheduled", ())) < 20


def test_a_clock_outlives_its_loop() -> None:
    clock = SystemClock()

    async def late() -> None:
        async with clock.timeout(0.01):
            await asyncio.sleep(30)

    for _ in range(2):
        with pytest.raises(TimeoutError):
            asyncio.run(late())
