"""A Modbus client that we did not write (pymodbus, its own framer) reads pad, display and caller over a pty."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient

from device_profiles.catalog import load_catalog
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort

CLASSES = {"hdp-evaluator": 1, "hdp-display": 2, "hdp-caller": 3}
MAGIC, COMMAND, PREFIX, SEEN, LENGTH, TEXT = 0x4844, 0x10, 0x11, 0x14, 0x1F, 0x20
EVENT_BLOCK = 7
ASK_RATING, THANKS = 2, 3


@asynccontextmanager
async def client_of(profile_id: str, folder: Path) -> AsyncIterator[tuple[AsyncModbusSerialClient, PtyPort, int]]:
    profile = load_catalog().peripheral(profile_id)
    port = PtyPort(build_peer(profile, 1, {}), folder / "port", profile.line.baud)
    port.plug()
    client = AsyncModbusSerialClient(
        str(port.link), baudrate=profile.line.baud, timeout=2, retries=1, reconnect_delay=0
    )
    try:
        async with asyncio.timeout(20):
            assert await client.connect()
            yield client, port, profile.options["unit"]
    finally:
        client.close()
        port.unplug()


@pytest.mark.parametrize(("profile_id", "kind"), CLASSES.items())
async def test_who_is_there_is_read(tmp_path: Path, profile_id: str, kind: int) -> None:
    async with client_of(profile_id, tmp_path) as (client, _, unit):
        answer = await client.read_input_registers(0, count=EVENT_BLOCK, device_id=unit)
        assert answer.registers == [MAGIC, 1, kind, 0, 0, 0, 0]


async def test_a_rating_is_read_and_acknowledged(tmp_path: Path) -> None:
    async with client_of("hdp-evaluator", tmp_path) as (client, port, unit):
        await client.write_register(COMMAND, ASK_RATING, device_id=unit)
        port.press("touch_grade", grade=4)
        block = (await client.read_input_registers(0, count=EVENT_BLOCK, device_id=unit)).registers
        sequence, code = block[4], block[5]
        assert (sequence, code) == (1, 4)
        again = (await client.read_input_registers(4, count=2, device_id=unit)).registers
        assert again == [sequence, code], "held until the host has confirmed it"
        await client.write_register(SEEN, sequence, device_id=unit)
        assert (await client.read_holding_registers(SEEN, count=1, device_id=unit)).registers == [sequence]
        assert (await client.read_input_registers(4, count=2, device_id=unit)).registers == [sequence, 0]
        assert (await client.read_holding_registers(COMMAND, count=1, device_id=unit)).registers == [THANKS]


async def test_keys_come_one_by_one(tmp_path: Path) -> None:
    async with client_of("hdp-caller", tmp_path) as (client, port, unit):
        for key in ("call_next", "start", "finish"):
            port.press("press_key", key=key)
        codes = []
        while (block := (await client.read_input_registers(4, count=2, device_id=unit)).registers)[1]:
            codes.append(block[1])
            await client.write_register(SEEN, block[0], device_id=unit)
        assert codes == [1, 3, 4]


async def test_a_display_is_written(tmp_path: Path) -> None:
    async with client_of("hdp-display", tmp_path) as (client, port, unit):
        text = "请到3号窗口".encode()
        words = [int.from_bytes(text.ljust(64)[at : at + 2]) for at in range(0, 64, 2)]
        assert not (await client.write_registers(LENGTH, [len(text), *words], device_id=unit)).isError()
        assert not (await client.write_registers(PREFIX, [ord("A"), 200], device_id=unit)).isError()
        shown = port.snapshot()
        assert (shown["ticket"], shown["text"]) == ("A200", "请到3号窗口")
        assert (await client.read_holding_registers(TEXT, count=2, device_id=unit)).registers == words[:2]


async def test_what_the_profile_does_not_have_is_an_exception(tmp_path: Path) -> None:
    async with client_of("hdp-display", tmp_path) as (client, _, unit):
        assert (await client.read_holding_registers(0x100, count=1, device_id=unit)).exception_code == 2
        assert (await client.write_register(COMMAND, 9, device_id=unit)).exception_code == 3
        assert (await client.read_coils(0, count=1, device_id=unit)).exception_code == 1
