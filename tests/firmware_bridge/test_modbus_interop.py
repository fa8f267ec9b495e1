"""pymodbus, which we did not write, on the other end of a pseudo-terminal: its client and its server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pymodbus.client import AsyncModbusSerialClient
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.auxiliaries import AuxiliariesStatus, ReadingsOutput
from device_profiles.capabilities.model import Nothing
from device_profiles.catalog import load_catalog
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.serial import SerialTransport
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort
from tests.builders.pty_bridge import pty_bridge

READ = CAPABILITIES["auxiliaries"].commands["read"]
SET = CAPABILITIES["lights"].commands["set"]


@asynccontextmanager
async def pymodbus_client(profile_id: str, folder: Path) -> AsyncIterator[tuple[AsyncModbusSerialClient, PtyPort]]:
    """pymodbus' client on our simulated device."""
    profile = load_catalog().peripheral(profile_id)
    port = PtyPort(build_peer(profile, seed=1, shared={}), folder / "port", profile.line.baud)
    port.plug()
    client = AsyncModbusSerialClient(str(port.link), baudrate=profile.line.baud, timeout=2)
    try:
        async with asyncio.timeout(20):
            assert await client.connect()
            yield client, port
    finally:
        client.close()
        port.unplug()


@asynccontextmanager
async def pymodbus_server(profile_id: str, device: SimDevice) -> AsyncIterator[Driver]:
    """Our driver on pymodbus' server."""
    profile = load_catalog().peripheral(profile_id)
    with pty_bridge() as (ours, theirs):
        server = ModbusSerialServer(device, port=theirs, baudrate=profile.line.baud)
        transport = SerialTransport(ours, profile.line)
        try:
            async with asyncio.timeout(20):
                await server.serve_forever(background=True)
                await transport.open()
                yield load_driver(profile, transport)
        finally:
            await transport.close()
            await server.shutdown()


async def test_their_client_reads_our_climate_sensor(tmp_path: Path) -> None:
    async with pymodbus_client("modbus-climate", tmp_path) as (client, port):
        port.press("set_temperature", celsius=-10.1)
        found = await client.read_input_registers(0, count=2, device_id=1)
        refused = await client.read_input_registers(5, count=1, device_id=1)
    assert found.registers == [0x10000 - 101, 500]
    assert refused.isError()


async def test_their_client_reads_our_people_counter(tmp_path: Path) -> None:
    async with pymodbus_client("modbus-people-counter", tmp_path) as (client, port):
        port.press("people_in", count=70_000)
        found = await client.read_input_registers(0, count=4, device_id=2)
    assert found.registers == [1, 70_000 - 0x10000, 0, 0]


async def test_their_client_reads_our_contacts(tmp_path: Path) -> None:
    async with pymodbus_client("modbus-door-tamper", tmp_path) as (client, port):
        port.press("open_door")
        found = await client.read_discrete_inputs(0, count=2, device_id=3)
    assert found.bits[:2] == [False, True]


async def test_their_client_switches_our_lights(tmp_path: Path) -> None:
    async with pymodbus_client("modbus-lights", tmp_path) as (client, port):
        await client.write_register(16, 3, device_id=4)
        await client.write_coils(0, [True, False, True], device_id=4)
        assert (await client.read_coils(0, count=4, device_id=4)).bits[:4] == [True, False, True, False]
        lights = port.snapshot()["lights"]
    assert lights["card_reader"] == {"lit": ["default", "green"], "rhythm": "quick"}


async def test_our_driver_reads_their_server() -> None:
    registers = [SimData(0, values=[269, 500], datatype=DataType.REGISTERS)]
    async with pymodbus_server("modbus-climate", SimDevice(1, registers)) as driver:
        await driver.identify()
        found = await driver.execute(READ, Nothing())
    assert found == ReadingsOutput(temperature_c=26.9, humidity_pct=50.0)


async def test_our_driver_reads_their_contacts() -> None:
    bits = SimData(0, values=[True, False], datatype=DataType.BITS)
    nothing = SimData(0, values=[0], datatype=DataType.REGISTERS)
    device = SimDevice(3, ([bits], [bits], [nothing], [nothing]))
    async with pymodbus_server("modbus-door-tamper", device) as driver:
        found = await driver.status()
    assert isinstance(found, AuxiliariesStatus)
    assert (found.cabinet, found.tamper) == ("closed", "alarm")


async def test_our_driver_switches_their_coils() -> None:
    coils = SimData(0, values=[False] * 4, datatype=DataType.BITS)
    rhythms = SimData(16, values=[0, 0], datatype=DataType.REGISTERS)
    nothing = SimData(0, values=[0], datatype=DataType.REGISTERS)
    device = SimDevice(4, ([coils], [coils], [rhythms], [nothing]))
    async with pymodbus_server("modbus-lights", device) as driver:
        await driver.identify()
        await driver.execute(SET, SET.args.model_validate({"light": "printer", "flash": "quick"}))
        assert driver.counters()["timeouts"] == 0
