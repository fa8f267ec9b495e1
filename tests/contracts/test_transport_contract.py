"""What holds for every kind of line."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.transports import Transport
from tests.contracts.transport_ends import ENDS, End, plugged_in, read_exactly, until

EVERY_BYTE = bytes(range(256))
KINDS = sorted(ENDS)
REAL = [kind for kind in KINDS if kind != "memory"]
EXCLUSIVE = [kind for kind in KINDS if kind == "serial" or kind.startswith("hid")]

every_kind = pytest.mark.parametrize("kind", KINDS)
real_kinds = pytest.mark.parametrize("kind", REAL)


@asynccontextmanager
async def line(kind: str, folder: Path) -> AsyncIterator[tuple[Transport, End]]:
    async with plugged_in(kind, folder) as end:
        transport = end.connect()
        await transport.open()
        try:
            yield transport, end
        finally:
            await transport.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def passes(transport: Transport, end: End, data: bytes = EVERY_BYTE) -> None:
    """``data`` goes both ways."""
    end.heard.clear()
    await transport.write(data)
    await until(lambda: len(end.heard) >= len(data))
    assert end.heard == data
    await end.say(data)
    assert await read_exactly(transport, len(data)) == data


async def fill(transport: Transport) -> None:
    async with asyncio.timeout(20):
        while True:
            await transport.write(bytes(1 << 20))


@every_kind
async def test_all_byte_values_pass_both_ways(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        await passes(transport, end)
        await passes(transport, end, b"\xff" * 100 + b"\x00" * 100)


@every_kind
async def test_bytes_that_come_one_by_one_are_read(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        for value in (0xFF, 0x00, 0xFF, 0xFF, 0x0D, 0x11, 0x13, 0x03):
            await end.say(bytes((value,)))
            assert await read_exactly(transport, 1) == bytes((value,))


@every_kind
async def test_more_than_the_system_takes_at_once_arrives_whole(kind: str, tmp_path: Path) -> None:
    data = EVERY_BYTE * 1024
    async with line(kind, tmp_path) as (transport, end):
        await transport.write(data)
        await until(lambda: len(end.heard) >= len(data))
        assert end.heard == data


@every_kind
async def test_much_that_comes_in_arrives_whole(kind: str, tmp_path: Path) -> None:
    data = EVERY_BYTE * 1024
    async with line(kind, tmp_path) as (transport, end), asyncio.TaskGroup() as group:
        group.create_task(end.say(data))
        assert await read_exactly(transport, len(data)) == data


@real_kinds
async def test_a_device_that_takes_no_bytes_neither_holds_the_loop_nor_the_writer(kind: str, tmp_path: Path) -> None:
    turns = 0

    async def others_run() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0.01)

    async with line(kind, tmp_path) as (transport, end):
        end.stop_reading()
        others = asyncio.ensure_future(others_run())
        with pytest.raises((LinkTimeout, TransportLost)):
            await fill(transport)
        others.cancel()
        assert turns >= 3


@real_kinds
async def test_a_write_that_is_given_up_leaves_a_line_that_closes_and_opens(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        end.stop_reading()
        writing = asyncio.ensure_future(transport.write(bytes(8 << 20)))
        await asyncio.sleep(0.02)
        assert not writing.done()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        end.unplug()
        end.plug()
        await transport.open()
        await passes(transport, end)


@every_kind
async def test_unplugging_wakes_who_waits_for_bytes(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        reading = asyncio.ensure_future(transport.read())
        await asyncio.sleep(0)
        end.unplug()
        with pytest.raises(TransportLost):
            async with asyncio.timeout(5):
                await reading
        with pytest.raises(TransportLost):
            await transport.write(b"x")
        with pytest.raises(TransportLost):
            transport.discard_input()


@real_kinds
async def test_unplugging_and_closing_wake_who_waits_to_write(kind: str, tmp_path: Path) -> None:
    for how in ("unplug", "close"):
        async with line(kind, tmp_path) as (transport, end):
            end.stop_reading()
            writing = asyncio.ensure_future(transport.write(bytes(8 << 20)))
            await asyncio.sleep(0.02)
            if how == "unplug":
                end.unplug()
            else:
                await transport.close()
            with pytest.raises(TransportLost):
                async with asyncio.timeout(5):
                    await writing


@every_kind
async def test_the_line_opens_again_after_an_unplug(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        end.unplug()
        with pytest.raises(TransportLost):
            await transport.open()
        end.plug()
        await transport.open()
        await passes(transport, end)


@every_kind
async def test_what_is_discarded_is_counted(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        await end.say(b"1234\xff")
        count = 0

        def discarded() -> bool:
            nonlocal count
            count += transport.discard_input()
            return count >= 5

        await until(discarded)
        assert (count, transport.discard_input()) == (5, 0)
        await passes(transport, end)


@every_kind
async def test_closing_twice_is_allowed_and_nothing_works_afterwards(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, _):
        await transport.close()
        await transport.close()
        for attempt in (transport.write(b"x"), transport.read()):
            with pytest.raises(TransportLost, match="open"):
                await attempt
        with pytest.raises(TransportLost):
            transport.discard_input()


@every_kind
async def test_a_cancelled_read_loses_no_bytes(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        for turns in range(4):
            reading = asyncio.ensure_future(transport.read())
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            await end.say(b"kept")
            assert await read_exactly(transport, 4) == b"kept"


@every_kind
async def test_opening_can_be_cancelled_at_any_await(kind: str, tmp_path: Path) -> None:
    async with plugged_in(kind, tmp_path) as end:
        transport = end.connect()
        for turns in range(40):
            opening = asyncio.ensure_future(transport.open())
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.wait([opening])
        await transport.open()
        await passes(transport, end)
        await transport.close()


@pytest.mark.parametrize("kind", EXCLUSIVE)
async def test_a_second_one_cannot_take_the_same_line(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path) as (transport, end):
        with pytest.raises(TransportLost, match="nobody else uses"):
            await end.connect().open()
        await passes(transport, end)


@real_kinds
async def test_no_descriptor_is_left_behind(kind: str, tmp_path: Path) -> None:
    async with line(kind, tmp_path):  # what is made once, such as the threads that look names up
        pass
    before = descriptors()
    for _ in range(5):
        async with line(kind, tmp_path) as (transport, end):
            await passes(transport, end)
            end.unplug()
            with pytest.raises(TransportLost):
                await transport.open()
    assert descriptors() == before
