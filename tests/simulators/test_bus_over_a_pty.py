"""A pad, a display and a caller on one RS-485 line, driven all at once over a real pseudo-terminal."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.caller import KeyPressed
from device_profiles.capabilities.evaluator import Rated
from device_profiles.capabilities.model import DeviceState, Shape
from device_profiles.catalog import Catalog, load_catalog
from device_profiles.schema.machine import MachineProfile, Slot
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports import Transport
from firmware_bridge.transports.shared import LATE_REPLY_S, SharedLines
from simulators.bus import BusPort
from simulators.machine import SimulatedMachine
from simulators.people import People

SLOTS = {"pad": "hdp-evaluator", "display": "hdp-display", "caller": "hdp-caller"}
CATALOG = load_catalog()
COUNTER = MachineProfile(
    id="counter",
    kind="counter_set",
    name_zh="窗口",
    name_en="Counter",
    slots={name: Slot(peripheral=peripheral, bus="counter") for name, peripheral in SLOTS.items()},
)
SHOW = CAPABILITIES["signage"].commands["show"]
ASK = CAPABILITIES["evaluator"].commands["show"]


@dataclass
class Counter:
    machine: SimulatedMachine
    taps: dict[str, Transport]
    drivers: dict[str, Driver]

    async def state(self, slot: str) -> DeviceState:
        return (await self.drivers[slot].status()).device

    async def take(self, slot: str) -> list[Shape]:
        await self.drivers[slot].status()
        events = await self.drivers[slot].poll()
        for event in events:
            await self.drivers[slot].confirm(event)
        return [event.body for event in events]

    def cut(self) -> None:
        port = self.machine.port("pad")
        assert isinstance(port, BusPort)
        port.cut()


def catalog_with(echo: bool, reply_ms: int) -> Catalog:
    peripherals = dict(CATALOG.peripherals)
    for name in SLOTS.values():
        line = peripherals[name].line.model_copy(update={"echo": echo})
        timing = peripherals[name].timing.model_copy(update={"reply_ms": reply_ms})
        peripherals[name] = peripherals[name].model_copy(update={"line": line, "timing": timing})
    return Catalog(peripherals, CATALOG.machines, CATALOG.halls)


@asynccontextmanager
async def running(folder: Path, *, echo: bool = False, reply_ms: int = 500) -> AsyncIterator[Counter]:
    catalog = catalog_with(echo, reply_ms)
    machine = SimulatedMachine("counter-1", COUNTER, catalog, folder, People(1), speed=10)
    machine.plug()
    lines = SharedLines(transport_for)
    taps: dict[str, Transport] = {}
    drivers: dict[str, Driver] = {}
    try:
        for slot, peripheral in SLOTS.items():
            profile = catalog.peripheral(peripheral)
            taps[slot] = lines.transport(profile, str(machine.port(slot).link))
            await taps[slot].open()
            drivers[slot] = load_driver(profile, taps[slot])
        async with asyncio.timeout(40):
            yield Counter(machine, taps, drivers)
    finally:
        for driver in drivers.values():
            await driver.close()
        machine.unplug()


async def test_the_slots_of_a_bus_have_one_device_file(tmp_path: Path) -> None:
    async with running(tmp_path) as counter:
        assert {counter.machine.port(slot).link for slot in SLOTS} == {tmp_path / "counter-1" / "counter"}


@pytest.mark.parametrize("echo", [False, True])
async def test_all_are_served_at_once(tmp_path: Path, echo: bool) -> None:
    async with running(tmp_path, echo=echo) as counter:
        await asyncio.gather(*(driver.identify() for driver in counter.drivers.values()))
        await asyncio.gather(
            counter.drivers["display"].execute(SHOW, SHOW.args.model_validate({"ticket": "A012", "text": "请"})),
            counter.drivers["pad"].execute(ASK, ASK.args.model_validate({"mode": "ask_rating", "subject": "t-1"})),
        )
        counter.machine.press("pad", "touch_grade", grade=5)
        counter.machine.press("caller", "press_key", key="finish")
        taken = await asyncio.gather(*(counter.take(slot) for slot in SLOTS))
        assert taken == [[Rated(grade=5, subject="t-1")], [], [KeyPressed.model_validate({"key": "finish"})]]
        shown = counter.machine.snapshot("display")
        assert (shown["ticket"], shown["text"]) == ("A012", "请")
        assert [counter.machine.snapshot(slot)["events_held"] for slot in SLOTS] == [0, 0, 0]


async def test_one_unit_unplugged_neither_stops_nor_starves_the_others(tmp_path: Path) -> None:
    reply_ms = 200
    async with running(tmp_path, reply_ms=reply_ms) as counter:
        counter.machine.port("pad").unplug()
        waits: list[float] = []

        async def knock() -> None:
            while True:
                with pytest.raises(LinkTimeout):
                    await counter.state("pad")

        async def serve() -> None:
            for _ in range(4):
                started = time.monotonic()
                counter.machine.press("caller", "press_key", key="start")
                assert await counter.take("caller") == [KeyPressed.model_validate({"key": "start"})]
                waits.append(time.monotonic() - started)

        knocking = asyncio.create_task(knock())
        await serve()
        knocking.cancel()
        await asyncio.gather(knocking, return_exceptions=True)
        # Taking a key is four exchanges, and between two of them the silent unit has one try at most.
        assert max(waits) < 4 * (reply_ms / 1000 + LATE_REPLY_S) + 0.5
        counter.machine.port("pad").plug()
        assert await counter.state("pad") is DeviceState.ONLINE


async def test_the_line_pulled_out_and_put_back_is_lost_for_all_and_comes_back_for_all(tmp_path: Path) -> None:
    async with running(tmp_path) as counter:
        await asyncio.gather(*(driver.identify() for driver in counter.drivers.values()))
        counter.machine.press("caller", "press_key", key="start")
        counter.cut()
        lost = await asyncio.gather(*(counter.state(slot) for slot in SLOTS), return_exceptions=True)
        assert [type(error) for error in lost] == [TransportLost] * 3
        counter.machine.plug()
        await asyncio.gather(*(tap.open() for tap in counter.taps.values()))
        states = await asyncio.gather(*(counter.state(slot) for slot in SLOTS))
        assert states == [DeviceState.ONLINE] * 3
        assert await counter.take("caller") == [KeyPressed.model_validate({"key": "start"})]


async def test_the_line_is_used_to_most_of_what_it_can_carry(tmp_path: Path) -> None:
    """Three units asked as fast as they answer, paced to 19200 baud: 29 bytes and 4 ms of thought an exchange."""
    async with running(tmp_path) as counter:
        times: list[float] = []

        async def ask(slot: str) -> None:
            for _ in range(20):
                started = time.monotonic()
                await counter.state(slot)
                times.append(time.monotonic() - started)

        started = time.monotonic()
        await asyncio.gather(*(ask(slot) for slot in SLOTS))
        took_s = time.monotonic() - started
        own_turn_ms = statistics.median(times) * 1000
        print(f"60 exchanges in {took_s:.2f} s ({60 / took_s:.0f}/s), median wait of a unit {own_turn_ms:.1f} ms")
        assert took_s < 60 * 0.045
