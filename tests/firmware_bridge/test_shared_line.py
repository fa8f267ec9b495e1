"""Several devices on one line: what the taps owe each other. Virtual time; the pty is in test_bus_over_a_pty.py."""

from dataclasses import dataclass

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.model import DeviceState
from device_profiles.catalog import load_catalog
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import LinkTimeout, TransportLost
from firmware_bridge.framing.checksums import crc16_modbus
from firmware_bridge.registry import load_driver
from firmware_bridge.transports.memory import MemoryTransport, VirtualClock
from firmware_bridge.transports.shared import LATE_REPLY_S, SharedLine, SharedLines, Tap
from simulators.bus import Bus
from simulators.peripherals import build_peer
from tests.builders.tampered import Tampered

UNITS = {"pad": "hdp-evaluator", "display": "hdp-display", "caller": "hdp-caller"}
CATALOG = load_catalog()
SHOW = CAPABILITIES["signage"].commands["show"]


@dataclass
class House:
    """Three drivers on one line."""

    bus: Bus
    line: Tampered
    clock: VirtualClock
    transport: MemoryTransport
    taps: dict[str, Tap]
    drivers: dict[str, Driver]

    async def state(self, unit: str) -> DeviceState:
        return (await self.drivers[unit].status()).device


async def open_house(*, echo: bool = False, host_expects_echo: bool | None = None) -> House:
    bus, clock = Bus(echo), VirtualClock()
    for name, profile in UNITS.items():
        bus.units[name] = build_peer(CATALOG.peripheral(profile), 1, {})
        bus.connected.add(name)
    tampered = Tampered(bus)
    transport = MemoryTransport(tampered, clock)
    line = SharedLine(transport, echo=echo if host_expects_echo is None else host_expects_echo, clock=clock)
    taps = {name: line.tap() for name in UNITS}
    drivers = {}
    for name, profile in UNITS.items():
        await taps[name].open()
        drivers[name] = load_driver(CATALOG.peripheral(profile), taps[name], clock)
        await drivers[name].identify()
    tampered.heard.clear()
    return House(bus, tampered, clock, transport, taps, drivers)


def frame(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16_modbus(body).to_bytes(2, "little")


@pytest.mark.parametrize("echo", [False, True])
async def test_every_device_of_the_line_is_spoken_to(echo: bool) -> None:
    house = await open_house(echo=echo)
    await house.drivers["display"].execute(SHOW, SHOW.args.model_validate({"ticket": "A012", "counter": 3}))
    house.bus.units["caller"].buttons["press_key"]("start")
    (event,) = await house.drivers["caller"].poll()
    await house.drivers["caller"].confirm(event)
    assert event.body == KeyPressed(key=CallerKey.START)
    assert house.bus.units["caller"].snapshot()["events_held"] == 0
    assert house.bus.units["display"].snapshot()["ticket"] == "A012"
    assert await house.state("pad") is DeviceState.ONLINE


async def test_a_device_that_is_silent_is_a_time_out_and_the_others_work_on() -> None:
    house = await open_house()
    house.bus.connected.remove("pad")
    with pytest.raises(LinkTimeout):
        await house.state("pad")
    assert await house.state("caller") is DeviceState.ONLINE
    house.bus.connected.add("pad")
    assert await house.state("pad") is DeviceState.ONLINE


async def test_a_late_answer_for_one_device_never_reaches_another_driver() -> None:
    house = await open_house()
    late = [0.0]

    def delay(data: bytes, answers: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
        moved = [(at + (0.54 if data[0] == 1 else 0.0), answer) for at, answer in answers]
        late[0] = moved[0][0] if data[0] == 1 else late[0]
        return moved

    house.line.change = delay
    one_try = CATALOG.peripheral("hdp-evaluator").model_copy(
        update={"timing": CATALOG.peripheral("hdp-evaluator").timing.model_copy(update={"attempts": 1})}
    )
    pad = load_driver(one_try, house.taps["pad"], house.clock)
    with pytest.raises(LinkTimeout):
        await pad.status()
    assert house.clock.monotonic() < late[0], "the answer is still on its way"
    before = house.drivers["caller"].counters()
    assert await house.state("caller") is DeviceState.ONLINE
    after = house.drivers["caller"].counters()
    assert (after["stale"], after["discarded_bytes"]) == (before["stale"], before["discarded_bytes"])
    assert house.clock.monotonic() <= late[0] + LATE_REPLY_S


async def test_after_an_answer_the_next_device_does_not_wait() -> None:
    house = await open_house()
    started = house.clock.monotonic()
    for unit in [*UNITS] * 5:
        await house.state(unit)
    assert house.clock.monotonic() - started < 15 * 0.02


async def test_an_echo_that_looks_like_the_answer_is_not_taken_for_it() -> None:
    house = await open_house(echo=True)
    house.bus.units["caller"].buttons["press_key"]("start")
    (event,) = await house.drivers["caller"].poll()
    house.bus.connected.remove("caller")  # the write that confirms an event is answered by its own copy
    await house.drivers["caller"].confirm(event)
    assert house.bus.units["caller"].snapshot()["events_held"] == 1
    with pytest.raises(LinkTimeout):
        await house.state("caller")


async def test_an_echo_behind_a_late_answer_and_in_parts_is_taken_out() -> None:
    house = await open_house(echo=True)
    stale = frame("03 06 00 14 00 05")

    def in_parts(data: bytes, answers: list[tuple[float, bytes]]) -> list[tuple[float, bytes]]:
        (now, echoed), (at, answer) = answers
        parts = [(now + 0.0005 * n, echoed[n : n + 1]) for n in range(len(echoed))]
        return [(now, stale), *parts, (at + 0.01, answer)]

    house.line.change = in_parts
    assert await house.state("caller") is DeviceState.ONLINE
    assert house.drivers["caller"].counters()["stale"] == 0


async def test_a_line_whose_echo_nobody_expected_still_reads() -> None:
    house = await open_house(echo=True, host_expects_echo=False)
    assert await house.state("display") is DeviceState.ONLINE


async def test_when_the_line_is_lost_all_its_devices_are_and_the_first_that_opens_opens_it_for_all() -> None:
    house = await open_house()
    house.transport.unplug()
    with pytest.raises(TransportLost):
        await house.state("pad")
    house.transport.plug()
    for unit in UNITS:
        with pytest.raises(TransportLost, match="shared line"):
            await house.state(unit)
    await house.taps["caller"].open()
    assert await house.state("caller") is DeviceState.ONLINE
    with pytest.raises(TransportLost, match="for all its devices"):
        await house.state("display")
    await house.taps["display"].open()
    assert await house.state("display") is DeviceState.ONLINE


async def test_the_line_closes_with_its_last_device() -> None:
    house = await open_house()
    await house.drivers["pad"].close()
    with pytest.raises(TransportLost, match="not open"):
        await house.state("pad")
    await house.drivers["display"].close()
    assert await house.state("caller") is DeviceState.ONLINE
    await house.drivers["caller"].close()
    await house.drivers["caller"].close()
    with pytest.raises(TransportLost):
        await house.transport.write(b"x")


async def test_a_device_whose_line_was_lost_does_not_close_the_new_one() -> None:
    house = await open_house()
    house.transport.unplug()
    with pytest.raises(TransportLost):
        await house.state("pad")
    house.transport.plug()
    await house.taps["caller"].open()
    await house.taps["pad"].close()
    await house.taps["display"].close()
    assert await house.state("caller") is DeviceState.ONLINE


async def test_slots_with_one_address_get_taps_of_one_line() -> None:
    opened: list[str] = []

    def open_transport(profile: object, address: str) -> MemoryTransport:
        opened.append(address)
        return MemoryTransport(Bus(), VirtualClock())

    lines = SharedLines(open_transport)
    profile = CATALOG.peripheral("hdp-caller")
    first, second = lines.transport(profile, "/dev/a"), lines.transport(profile, "/dev/a")
    other = lines.transport(profile, "/dev/b")
    assert opened == ["/dev/a", "/dev/b"]
    assert first.turn is second.turn
    assert first.turn is not other.turn
