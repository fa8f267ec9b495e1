import asyncio
import string
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.capabilities.barcode_reader import ScanOutput
from device_profiles.capabilities.model import Action, DeviceState
from device_profiles.errors import ProfileError
from firmware_bridge.codecs.wedge import Kind, Struck, WedgeCodec
from firmware_bridge.errors import DeviceFault, LinkTimeout, TransportLost
from simulators.peripherals.wedge import KEY, SYN, event, press
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import losing, open_tampered
from tests.simulators.bench import Bench as Device

SCANNER = "hid-keyboard-wedge"
CODE = "280000000000000012"
F1, ENTER, KEYPAD_1, DROPPED = 59, 28, 79, 3
TYPABLE = string.ascii_letters + string.digits + string.punctuation + " "


async def scan(bench: Bench, wait_s: float = 10.0, pattern: str = "") -> str:
    output = await bench.run("read", wait_s=wait_s, pattern=pattern)
    assert isinstance(output, ScanOutput)
    return output.text


@pytest.mark.parametrize("text", [CODE, TYPABLE, "https://hall.example/t?x=1&Y=~2"])
@pytest.mark.parametrize("enter", [0, 1], ids=["ended by a gap", "ended by Enter"])
async def test_a_code_is_typed_and_read(text: str, enter: int) -> None:
    bench = await open_bench(SCANNER, device={"enter": enter})
    bench.press("present_code", text, at=2.0)
    assert await scan(bench) == text


async def test_two_codes_in_a_row_are_two_codes() -> None:
    bench = await open_bench(SCANNER)
    bench.press("present_code", CODE, at=1.0)
    assert await scan(bench) == CODE
    bench.press("present_code", "A012", at=bench.clock.monotonic() + 1)
    assert await scan(bench) == "A012"


async def test_what_was_typed_while_nobody_read_is_thrown_away() -> None:
    bench = await open_bench(SCANNER)
    bench.press("present_code", "280000000000000099")
    await bench.clock.sleep(1)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_the_second_half_of_a_code_that_began_before_the_read_is_no_code() -> None:
    bench = await open_bench(SCANNER)
    bench.press("present_code", "9" * 18)
    await bench.clock.sleep(0.02)  # half of the keys
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_somebody_who_never_stops_typing_does_not_hold_a_read_for_ever() -> None:
    bench = await open_bench(SCANNER)
    bench.press("present_code", "7" * 4000)
    bench.press("present_code", "7" * 4000, at=7.9)
    with pytest.raises(DeviceFault, match="no_media"):
        await scan(bench, wait_s=5)
    assert bench.clock.monotonic() < 6


async def test_a_code_without_end_is_given_up() -> None:
    bench = await open_bench(SCANNER, device={"enter": 0})
    for second in range(4):
        bench.press("present_code", "7" * 1500, at=0.5 + second)
    with pytest.raises(DeviceFault, match="barcode_invalid"):
        await scan(bench, wait_s=1)
    assert bench.clock.monotonic() < 7


async def test_a_citizen_who_shows_nothing_is_no_media() -> None:
    bench = await open_bench(SCANNER)
    with pytest.raises(DeviceFault) as fault:
        await scan(bench, wait_s=12)
    assert (fault.value.code, fault.value.action) == ("no_media", Action.RESET)


@pytest.mark.parametrize("key", [F1, KEYPAD_1, 29, 58], ids=["F1", "keypad", "control", "caps lock"])
async def test_a_key_that_types_nothing_spoils_the_code(key: int) -> None:
    bench = await open_bench(SCANNER)
    bench.press("strike_key", key, at=1.0)
    bench.press("present_code", CODE, at=1.0)
    with pytest.raises(DeviceFault, match="barcode_invalid") as fault:
        await scan(bench)
    assert CODE not in str(fault.value)


async def test_a_layout_of_the_profile_adds_keys() -> None:
    bench = await open_bench(SCANNER, options={"layout": {"79": "1", "21": "zZ"}})
    bench.press("strike_key", KEYPAD_1, at=1.0)
    bench.press("strike_key", 21, at=1.0)
    assert await scan(bench) == "1z"


@pytest.mark.parametrize("typed", ["", "abc", "\x1b"])
async def test_a_layout_that_types_no_characters_is_refused(typed: str) -> None:
    with pytest.raises(ProfileError, match="layout"):
        await open_bench(SCANNER, options={"layout": {"79": typed}})


async def test_a_layout_outside_the_charset_is_refused() -> None:
    with pytest.raises(ProfileError, match="characters of ascii"):
        await open_bench(SCANNER, options={"layout": {"79": "é"}, "charset": "ascii"})


async def test_a_stray_enter_is_no_code() -> None:
    bench = await open_bench(SCANNER)
    bench.press("strike_key", ENTER, at=1.0)
    bench.press("present_code", CODE, at=2.0)
    assert await scan(bench) == CODE


async def test_a_key_that_is_held_down_counts_once() -> None:
    bench = await open_bench(SCANNER)
    bench.press("present_code", CODE, at=1.0)
    bench.press("hold_key", 3, at=1.01)
    assert await scan(bench) == CODE


async def test_events_that_the_kernel_dropped_spoil_the_code() -> None:
    bench, line = await open_tampered(SCANNER)
    lost = event(1.0, SYN, DROPPED, 0) + event(1.0, KEY, 3, 1)
    bench.clock.at(1.0, lambda: bench.transport._queue([(1.0, lost)]))
    with pytest.raises(DeviceFault, match="barcode_invalid"):
        await scan(bench)
    assert line.heard


async def test_a_code_that_is_longer_than_allowed_or_of_another_kind_is_refused() -> None:
    bench = await open_bench(SCANNER, options={"longest_code": 17})
    bench.press("present_code", CODE, at=1.0)
    with pytest.raises(DeviceFault, match="at most 17 bytes"):
        await scan(bench)
    bench.press("present_code", CODE[:17], at=bench.clock.monotonic() + 1)
    with pytest.raises(DeviceFault, match="barcode_invalid") as fault:
        await scan(bench, pattern="62[0-9]+")
    assert CODE[:17] not in str(fault.value)


async def test_a_late_echo_of_an_earlier_question_is_not_taken_for_this_one() -> None:
    bench, line = await open_tampered(SCANNER)
    line.instead = lambda data: event(0, SYN, 1, 0x55)
    with pytest.raises(LinkTimeout):
        await bench.driver.status()
    line.instead = None
    assert (await bench.driver.status()).device is DeviceState.ONLINE


async def test_a_lost_echo_is_asked_for_again() -> None:
    bench, line = await open_tampered(SCANNER)
    line.change = losing("00", part=0)
    assert (await bench.driver.status()).device is DeviceState.ONLINE
    assert bench.driver.counters()["retries"] == 1


async def test_without_the_echo_only_a_pulled_cable_shows() -> None:
    bench = await open_bench(SCANNER, options={"echo": False})
    await bench.driver.identify()
    bench.press("present_code", "280000000000000099")
    await bench.clock.sleep(1)
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE
    bench.transport.unplug()
    with pytest.raises(TransportLost):
        await bench.driver.status()


async def test_a_cancelled_read_leaves_the_next_one_whole() -> None:
    bench = await open_bench(SCANNER)
    reading = asyncio.create_task(scan(bench, wait_s=60))
    bench.clock.at(5.0, reading.cancel)
    with pytest.raises(asyncio.CancelledError):
        await reading
    bench.press("present_code", CODE, at=bench.clock.monotonic() + 1)
    assert await scan(bench) == CODE


async def test_a_cable_pulled_while_a_code_is_typed_is_a_lost_transport() -> None:
    bench = await open_bench(SCANNER)
    bench.press("present_code", CODE, at=5.0)
    bench.clock.at(5.01, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await scan(bench, wait_s=60)


@given(st.text(TYPABLE, min_size=1, max_size=30))
def test_codec_and_simulated_keyboard_agree_on_every_key(text: str) -> None:
    device = Device(SCANNER)
    device.press("present_code", text=text)
    codec = WedgeCodec()
    codec.feed(bytes.fromhex(device.unasked()))
    found: list[Struck] = []
    while (struck := codec.next_reply()) is not None:
        found.append(struck)
    assert "".join(struck.text for struck in found) == text
    assert found[-1] == Struck(Kind.END)


def test_either_shift_key_shifts_and_a_reset_lets_both_go() -> None:
    codec = WedgeCodec()
    keys = [*press(54, 1), *press(42, 1), *press(54, 0), *press(30, 1)]
    codec.feed(b"".join(event(1.0, *key) for key in keys))
    assert codec.next_reply() == Struck(Kind.CHARACTER, "A")
    codec.reset()
    codec.feed(b"".join(event(1.0, *key) for key in press(30, 1)))
    assert codec.next_reply() == Struck(Kind.CHARACTER, "a")


def test_an_event_has_the_size_of_the_kernel_s_own() -> None:
    assert len(event(0, 0, 0, 0)) == struct.calcsize("@llHHi") == 24


def test_keys_stand_in_no_representation() -> None:
    assert "'7'" not in repr(Struck(Kind.CHARACTER, "7"))
