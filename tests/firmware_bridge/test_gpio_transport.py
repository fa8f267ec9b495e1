"""The path through libgpiod, on a request that stands in for the kernel's: a real descriptor, real settings and events.

There is no GPIO chip and no gpio-sim where these tests run, so libgpiod's own calls are not exercised.
"""

import asyncio
import errno
import fcntl
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from gpiod import EdgeEvent, LineSettings
from gpiod.line import Bias, Direction, Edge, Value

from device_profiles.capabilities.auxiliaries import AuxiliariesStatus
from device_profiles.catalog import load_catalog
from firmware_bridge.codecs.contacts import ASK_LEVELS, encode_edge, encode_levels
from firmware_bridge.errors import TransportLost
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports.gpio import GpioTransport, Wire, Wires

PROFILE = load_catalog().peripheral("gpio-door-tamper")
WIRES = Wires.model_validate(PROFILE.options)


class FakeRequest:
    """What libgpiod gives for requested lines; one byte in the pipe for each event that waits."""

    def __init__(self, config: Mapping[int | str, LineSettings]) -> None:
        self.offsets = [line for line in config if isinstance(line, int)]
        self.levels = dict.fromkeys(self.offsets, Value.INACTIVE)
        self.fd, self._signal = os.pipe()
        os.set_blocking(self.fd, False)
        self._events: list[EdgeEvent] = []
        self.released = False
        self.broken = False

    def move(self, offset: int, level: Value) -> None:
        self.levels[offset] = level
        kind = EdgeEvent.Type.RISING_EDGE if level is Value.ACTIVE else EdgeEvent.Type.FALLING_EDGE
        self._events.append(EdgeEvent(kind.value, 0, offset, 0, 0))
        os.write(self._signal, b"!")

    def vanish(self) -> None:
        self.broken = True
        os.write(self._signal, b"!")

    def wait_edge_events(self, timeout: object = None) -> bool:
        if self.broken:
            raise OSError(19, "No such device")
        return bool(self._events)

    def read_edge_events(self) -> list[EdgeEvent]:
        events, self._events = self._events, []
        os.read(self.fd, len(events))
        return events

    def get_values(self) -> list[Value]:
        if self.broken:
            raise OSError(19, "No such device")
        return [self.levels[offset] for offset in self.offsets]

    def release(self) -> None:
        if not self.released:
            self.released = True
            os.close(self.fd)
            os.close(self._signal)


class Chip:
    """Remembers what was requested."""

    def __init__(self) -> None:
        self.config: Mapping[int | str, LineSettings] = {}
        self.requests: list[FakeRequest] = []

    def request_lines(self, path: str, config: Mapping[int | str, LineSettings]) -> Any:
        self.config = config
        self.requests.append(FakeRequest(config))
        return self.requests[-1]


@pytest.fixture
def chip() -> Iterator[Chip]:
    chip = Chip()
    yield chip
    for request in chip.requests:
        request.release()


async def opened(chip: Chip, wires: Wires = WIRES) -> GpioTransport:
    transport = GpioTransport("/dev/null", wires, chip.request_lines)
    await transport.open()
    return transport


async def test_lines_are_requested_as_the_profile_says(chip: Chip) -> None:
    wires = Wires(door=Wire(line=4, active_low=True, bias="pull_down", debounce_ms=15), tamper=Wire(line=5))
    await (await opened(chip, wires)).close()
    assert chip.config[4] == LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=Bias.PULL_DOWN,
        active_low=True,
        debounce_period=timedelta(milliseconds=15),
    )
    assert (chip.config[5].bias, chip.config[5].active_low) == (Bias.PULL_UP, False)


async def test_levels_come_when_they_are_asked_for(chip: Chip) -> None:
    transport = await opened(chip)
    chip.requests[0].levels[27] = Value.ACTIVE
    await transport.write(ASK_LEVELS)
    assert await transport.read() == encode_levels([False, True])
    await transport.close()


async def test_an_edge_wakes_who_waits(chip: Chip) -> None:
    transport = await opened(chip)
    asyncio.get_running_loop().call_later(0.01, chip.requests[0].move, 17, Value.ACTIVE)
    async with asyncio.timeout(5):
        assert await transport.read() == encode_edge(0, True)
    chip.requests[0].move(17, Value.INACTIVE)
    assert await transport.read() == encode_edge(0, False)
    assert transport.discard_input() == 0
    await transport.close()


async def test_a_chip_does_not_count_its_bytes(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_asked: object) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    transport = await opened(chip)
    monkeypatch.setattr(fcntl, "ioctl", refuse)
    chip.requests[0].move(17, Value.ACTIVE)
    assert transport.discard_input() == len(encode_edge(0, True))
    assert transport.discard_input() == 0
    await transport.close()


async def test_a_door_that_was_open_between_two_looks_is_told(chip: Chip) -> None:
    transport = await opened(chip)
    driver = load_driver(PROFILE, transport)
    await driver.identify()
    chip.requests[0].move(17, Value.ACTIVE)
    chip.requests[0].move(17, Value.INACTIVE)
    seen = [await driver.status(), await driver.status()]
    assert [status.cabinet for status in seen if isinstance(status, AuxiliariesStatus)] == ["open", "closed"]
    await driver.close()
    assert chip.requests[0].released


async def _discard(transport: GpioTransport) -> None:
    transport.discard_input()


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda transport: transport.read(), id="read"),
        pytest.param(lambda transport: transport.write(ASK_LEVELS), id="write"),
        pytest.param(_discard, id="discard"),
    ],
)
async def test_a_chip_that_is_pulled_out_is_a_lost_line(
    chip: Chip, call: Callable[[GpioTransport], Awaitable[object]]
) -> None:
    transport = await opened(chip)
    chip.requests[0].vanish()
    with pytest.raises(TransportLost, match="No such device"):
        await call(transport)
    await transport.close()
    await transport.open()
    await transport.write(ASK_LEVELS)
    assert await transport.read() == encode_levels([False, False])
    await transport.close()


async def test_a_chip_that_is_not_there_is_a_lost_line() -> None:
    with pytest.raises(TransportLost, match="expected a GPIO chip"):
        await transport_for(PROFILE, "/dev/gpiochip_of_nobody").open()


async def test_what_is_no_chip_is_refused_by_libgpiod() -> None:
    with pytest.raises(TransportLost, match="with free lines 17, 27"):
        await transport_for(PROFILE, "/dev/null").open()
