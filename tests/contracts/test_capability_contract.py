"""What holds for the driver of every profile in the catalogue. A new profile is tested by being there."""

import contextlib
from collections.abc import Callable

import pytest

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Command, DeviceState, Effect, Identity, Nothing
from device_profiles.catalog import load_catalog
from device_profiles.errors import ProfileError
from firmware_bridge.errors import BridgeError, LinkTimeout, TransportLost, UnsupportedCommand
from simulators.faults import FaultyPeer, LineFault
from simulators.peripherals.peer import Output, Peer
from tests.builders.bench import Bench, open_bench

pytestmark = pytest.mark.parametrize("profile", sorted(load_catalog().peripherals))


class Spoiled:
    """A line on which the next answer is replaced by what ``spoil`` makes of it."""

    def __init__(self, peer: Peer, spoil: Callable[[bytes], bytes]) -> None:
        self._peer = peer
        self._spoil = spoil
        self.armed = False
        self.buttons = peer.buttons

    def receive(self, data: bytes, now: float) -> Output:
        answers = self._peer.receive(data, now)
        if not (self.armed and answers):
            return answers
        self.armed = False
        return [(at, self._spoil(answer)) for at, answer in answers]

    def advance(self, now: float) -> Output:
        return self._peer.advance(now)

    def snapshot(self) -> dict[str, object]:
        return self._peer.snapshot()


def the_line(bench: Bench) -> Spoiled:
    spoiled = bench.transport._peer
    assert isinstance(spoiled, Spoiled)
    return spoiled


async def test_identify_answers(profile: str) -> None:
    bench = await open_bench(profile)
    assert isinstance(await bench.driver.identify(), Identity)
    assert bench.driver.capability == bench.profile.capability


async def test_the_status_is_the_capability_s_own_and_on_line(profile: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    status = await bench.driver.status()
    assert type(status) is CAPABILITIES[bench.profile.capability].status
    assert status.device is DeviceState.ONLINE


async def test_a_device_at_rest_has_no_events(profile: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    assert await bench.driver.poll() == []


@pytest.mark.parametrize("call", ["identify", "status"])
async def test_an_unplugged_device_is_a_lost_transport(profile: str, call: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    bench.transport.unplug()
    with pytest.raises(TransportLost):
        await getattr(bench.driver, call)()


async def test_a_cable_pulled_while_an_answer_is_awaited_is_a_lost_transport(profile: str) -> None:
    bench = await open_bench(profile, wrap=_mute)
    bench.clock.at(0.05, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await bench.driver.status()


async def test_the_same_device_plugged_in_again_works(profile: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    bench.transport.unplug()
    with pytest.raises(TransportLost):
        await bench.driver.status()
    bench.transport.plug()
    await bench.transport.open()
    await bench.driver.identify()
    assert (await bench.driver.status()).device is DeviceState.ONLINE


async def test_silence_is_a_time_out_in_bounded_time(profile: str) -> None:
    bench = await open_bench(profile, wrap=_mute)
    with pytest.raises(LinkTimeout):
        await bench.driver.status()
    with pytest.raises(LinkTimeout):
        await bench.driver.identify()
    timing = bench.profile.timing
    assert bench.clock.monotonic() <= 2 * timing.attempts * (timing.reply_ms / 1000 + 0.5)
    assert bench.driver.counters()["timeouts"] >= 2


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda answer: bytes((n * 37 + 5) & 0xFF for n in range(300)), id="garbage"),
        pytest.param(lambda answer: b"\xff\x00\x55" + answer, id="noise before the answer"),
        pytest.param(lambda answer: answer[: len(answer) // 2], id="half a frame"),
        pytest.param(lambda answer: answer[:-1] + bytes((answer[-1] ^ 0x20,)), id="a damaged end"),
        pytest.param(lambda answer: b"", id="nothing"),
        pytest.param(lambda answer: answer * 2, id="twice"),
    ],
)
async def test_after_a_spoiled_answer_the_device_is_understood_again(
    profile: str, spoil: Callable[[bytes], bytes]
) -> None:
    bench = await open_bench(profile, wrap=lambda peer: Spoiled(peer, spoil))
    await bench.driver.identify()
    the_line(bench).armed = True
    with contextlib.suppress(BridgeError):  # a protocol may say so: what counts is that it comes back
        await bench.driver.status()
    assert (await bench.driver.status()).device is DeviceState.ONLINE
    assert isinstance(await bench.driver.identify(), Identity)


async def test_answers_in_single_bytes_are_understood(profile: str) -> None:
    bench = await open_bench(profile, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("split", delay_s=0.0005)))
    await bench.driver.identify()
    assert (await bench.driver.status()).device is DeviceState.ONLINE


async def test_a_command_that_the_capability_does_not_have_is_refused(profile: str) -> None:
    bench = await open_bench(profile)
    with pytest.raises(UnsupportedCommand, match="no_such_command"):
        await bench.driver.execute(Command("no_such_command", Effect.READ), Nothing())


async def test_arguments_of_another_command_are_refused(profile: str) -> None:
    bench = await open_bench(profile)
    for command in CAPABILITIES[bench.profile.capability].commands.values():
        if command.args is not Nothing:
            with pytest.raises(UnsupportedCommand):
                await bench.driver.execute(command, Nothing())


async def test_an_option_that_the_driver_does_not_have_is_an_error(profile: str) -> None:
    with pytest.raises(ProfileError, match="no_such_option"):
        await open_bench(profile, options={"no_such_option": 1})


async def test_the_counters_are_numbers_that_grow(profile: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    counters = bench.driver.counters()
    assert counters["requests"] >= 1
    assert all(isinstance(value, float) for value in counters.values())


async def test_closing_twice_is_allowed_and_ends_the_line(profile: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    await bench.driver.close()
    await bench.driver.close()
    with pytest.raises(TransportLost):
        await bench.driver.status()


async def test_every_fault_of_the_profile_is_told_and_ends(profile: str) -> None:
    bench = await open_bench(profile)
    await bench.driver.identify()
    before = await bench.driver.status()
    for fault in bench.profile.faults:
        bench.press(fault.press, **fault.args)
        during = await bench.driver.status()
        told = {name: str(getattr(during, name)) for name in fault.status}
        assert told == fault.status, f"{fault.press}: expected {fault.status}, the driver told {told}"
        bench.press(fault.clear, **fault.clear_args)
        after = await bench.driver.status()
        told = {name: getattr(after, name) for name in fault.status}
        assert told == {name: getattr(before, name) for name in fault.status}, f"{fault.clear} ends {fault.press}"


def _mute(peer: Peer) -> Peer:
    return FaultyPeer(peer, 1, LineFault("mute"))
