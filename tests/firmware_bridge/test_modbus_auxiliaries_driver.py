import pytest

from device_profiles.capabilities.auxiliaries import AuxiliariesStatus, ReadingsOutput
from device_profiles.errors import ProfileError
from firmware_bridge.errors import DeviceFault, PeerBrokeProtocol, TransportLost
from firmware_bridge.framing.checksums import crc16_modbus
from simulators.faults import FaultyPeer, LineFault
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import open_tampered

CLIMATE, PEOPLE, DOOR = "modbus-climate", "modbus-people-counter", "modbus-door-tamper"


def reply(text: str) -> bytes:
    body = bytes.fromhex(text)
    return body + crc16_modbus(body).to_bytes(2, "little")


async def readings(bench: Bench) -> ReadingsOutput:
    found = await bench.run("read")
    assert isinstance(found, ReadingsOutput)
    return found


async def status(bench: Bench) -> AuxiliariesStatus:
    found = await bench.driver.status()
    assert isinstance(found, AuxiliariesStatus)
    return found


# --------------------------------------------------------------------------------------------------------- climate


async def test_the_published_frame_is_asked_and_understood() -> None:
    bench, line = await open_tampered(CLIMATE)
    line.instead = lambda data: bytes.fromhex("01 04 04 01 0D 01 F4 6B AC")
    assert await readings(bench) == ReadingsOutput(temperature_c=26.9, humidity_pct=50.0)
    assert line.heard == [bytes.fromhex("01 04 00 00 00 02 71 CB")]


async def test_below_zero_is_below_zero() -> None:
    bench = await open_bench(CLIMATE)
    bench.press("set_temperature", celsius=-10.1)
    assert (await readings(bench)).temperature_c == -10.1


async def test_readings_travel_as_telemetry() -> None:
    bench = await open_bench(CLIMATE)
    assert "temperature_c" not in bench.driver.counters()
    await bench.driver.status()
    assert bench.driver.counters()["temperature_c"] == 26.9
    assert bench.driver.counters()["humidity_pct"] == 50.0


async def test_a_temperature_at_its_limit_does_not_flap() -> None:
    bench = await open_bench(CLIMATE)
    seen = []
    for celsius in (39.9, 40.0, 39.8, 40.1, 39.2, 38.9, 39.8):
        bench.press("set_temperature", celsius=celsius)
        seen.append(str((await status(bench)).temperature))
    assert seen == ["normal", "high", "high", "high", "high", "normal", "normal"]


async def test_a_missing_probe_is_no_temperature() -> None:
    bench = await open_bench(CLIMATE)
    bench.press("break_probe")
    assert (await status(bench)).temperature is None
    assert (await readings(bench)).temperature_c is None
    assert "temperature_c" not in bench.driver.counters()


async def test_a_late_answer_does_not_answer_the_next_question() -> None:
    bench = await open_bench(CLIMATE, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("delay", delay_s=0.55, count=1)))
    bench.clock.at(0.52, lambda: bench.press("set_temperature", celsius=30.0))
    assert (await readings(bench)).temperature_c == 30.0  # the late one says 26.9
    counters = bench.driver.counters()
    assert (counters["timeouts"], counters["stale"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    "stale",
    [
        pytest.param("02 04 04 00 01 00 02", id="another unit"),
        pytest.param("01 03 04 00 01 00 02", id="another function"),
        pytest.param("01 04 02 00 01", id="another length"),
        pytest.param("01 83 02", id="a refusal of something else"),
    ],
)
async def test_what_was_not_asked_for_is_passed_over(stale: str) -> None:
    bench, line = await open_tampered(CLIMATE)
    line.change = lambda data, answers: [(answers[0][0], reply(stale)), *answers]
    assert (await readings(bench)).temperature_c == 26.9
    assert bench.driver.counters()["stale"] == 1


async def test_a_unit_without_the_registers_is_another_device() -> None:
    bench = await open_bench(CLIMATE, options={"humidity": {"address": 1}}, device={"humidity": {"address": 7}})
    with pytest.raises(PeerBrokeProtocol, match="exception 2"):
        await bench.driver.identify()


async def test_a_failure_of_the_unit_is_told() -> None:
    bench, line = await open_tampered(CLIMATE)
    line.instead = lambda data: reply("01 84 04")
    with pytest.raises(DeviceFault, match="exception 4"):
        await bench.driver.status()


async def test_a_cable_pulled_in_the_middle_of_a_read_is_a_lost_line() -> None:
    bench = await open_bench(CLIMATE, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("split", delay_s=0.01)))
    bench.clock.at(0.03, bench.transport.unplug)
    with pytest.raises(TransportLost):
        await bench.run("read")


# ---------------------------------------------------------------------------------------------------------- people


async def test_people_are_counted_both_ways() -> None:
    bench = await open_bench(PEOPLE)
    bench.press("people_in", count=70_000)
    bench.press("people_out", count=3)
    assert await readings(bench) == ReadingsOutput(entered_total=70_000, left_total=3)
    assert bench.driver.counters()["entered_total"] == 70_000.0


@pytest.mark.parametrize("low_word_first", [False, True])
async def test_the_order_of_words_is_data(low_word_first: bool) -> None:
    counted = {"address": 4, "bits": 32, "table": "holding", "low_word_first": low_word_first}
    bench = await open_bench(PEOPLE, options={"entered": counted})
    bench.press("people_in", count=65_537 * 3)
    assert (await readings(bench)).entered_total == 65_537 * 3


async def test_a_counter_of_16_bits_wraps_and_goes_on() -> None:
    bench = await open_bench(PEOPLE, options={"entered": {"address": 0}})
    bench.press("people_in", count=65_530)
    assert (await readings(bench)).entered_total == 65_530
    bench.press("people_in", count=9)
    assert (await readings(bench)).entered_total == 65_539


async def test_a_counter_that_lost_its_power_begins_anew() -> None:
    bench = await open_bench(PEOPLE, options={"entered": {"address": 0}})
    bench.press("people_in", count=4_000)
    await bench.driver.status()
    bench.press("power_cycle")
    bench.press("people_in", count=2)
    assert (await readings(bench)).entered_total == 2


# -------------------------------------------------------------------------------------------------------- contacts


async def test_contacts_are_read_in_one_request() -> None:
    bench, line = await open_tampered(DOOR)
    found = await status(bench)
    assert (found.cabinet, found.tamper, found.temperature) == ("closed", "ok", None)
    assert len(line.heard) == 1


async def test_a_contact_that_closes_when_the_door_opens_is_data() -> None:
    bench = await open_bench(DOOR, options={"door": {"address": 0, "good": 0, "table": "coil"}})
    assert (await status(bench)).cabinet == "closed"
    bench.press("open_door")
    assert (await status(bench)).cabinet == "open"


async def test_a_map_without_anything_is_refused() -> None:
    with pytest.raises(ProfileError, match="expected one of temperature"):
        await open_bench(DOOR, options={"door": None, "tamper": None})
