import pytest

from device_profiles.capabilities.power import PowerStatus
from firmware_bridge.codecs.megatec import encode_shutdown
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown
from simulators.faults import FaultyPeer, LineFault
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import open_tampered

UPS = "megatec-ups"


async def status(bench: Bench) -> PowerStatus:
    found = await bench.driver.status()
    assert isinstance(found, PowerStatus)
    return found


@pytest.mark.parametrize("length", ["38", "39"])
async def test_a_supply_says_its_name_in_either_length(length: str) -> None:
    bench = await open_bench(UPS, device={"info_length": length})
    identity = await bench.driver.identify()
    assert (identity.model, identity.firmware) == ("Invented Power LI1000", "V1.0")


async def test_a_supply_without_a_name_is_known_by_its_rating() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: data if data == b"I\r" else None  # the echo of a command that it does not know
    assert (await bench.driver.identify()).model == "Megatec 220 V, battery 24 V"
    line.instead = lambda data: data if data != b"Q1\r" else None
    assert (await bench.driver.identify()).model == "Megatec"


async def test_readings_travel_as_telemetry() -> None:
    bench = await open_bench(UPS)
    await bench.driver.status()
    told = bench.driver.counters()
    assert (told["input_v"], told["load_pct"], told["battery_v"], told["temperature_c"]) == (226.0, 14.0, 27.5, 30.0)


async def test_the_voltage_of_one_cell_is_scaled() -> None:
    bench = await open_bench(UPS, options={"cells": 12})
    await bench.driver.status()
    assert bench.driver.counters()["battery_v"] == pytest.approx(27.5, abs=0.1)


async def test_boost_of_a_line_interactive_supply_is_no_bypass() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: b"(180.0 195.0 226.0 014 49.0 27.5 30.0 00101000\r"
    assert (await status(bench)).supply == "mains"
    line.instead = lambda data: b"(180.0 195.0 226.0 014 49.0 27.5 30.0 00100000\r"
    assert (await status(bench)).supply == "bypass"


async def test_a_load_at_its_limit_does_not_flap() -> None:
    bench = await open_bench(UPS)
    seen = []
    for percent in (99, 100, 99, 96, 95, 99):
        bench.press("set_load", percent=percent)
        seen.append(str((await status(bench)).load))
    assert seen == ["normal", "overload", "overload", "overload", "normal", "normal"]


async def test_the_output_is_cut_after_the_delay_and_comes_back_with_the_mains() -> None:
    bench = await open_bench(UPS)
    await bench.run("shut_down", delay_s=30)
    assert bench.peer.snapshot()["shutdown_planned"]
    bench.press("mains_fail", at=20)
    bench.press("mains_back", at=200)
    await bench.clock.sleep(60)
    await bench.driver.status()
    assert not bench.peer.snapshot()["output"]
    await bench.clock.sleep(200)
    await bench.driver.status()
    assert bench.peer.snapshot()["output"]


@pytest.mark.parametrize(("delay_s", "sent"), [(12, "S.2"), (54, "S.9"), (55, "S01"), (61, "S02"), (600, "S10")])
def test_a_delay_is_never_shorter_than_asked(delay_s: int, sent: str) -> None:
    assert encode_shutdown(delay_s, 1).decode() == f"{sent}R0001\r"


@pytest.mark.parametrize("delay_s", [11, 601])
def test_a_delay_that_the_protocol_does_not_have_is_refused(delay_s: int) -> None:
    with pytest.raises(ValueError, match="12 to 600"):
        encode_shutdown(delay_s, 1)


async def test_a_shutdown_can_be_taken_back() -> None:
    bench = await open_bench(UPS)
    await bench.run("shut_down", delay_s=60)
    await bench.run("cancel_shut_down")
    assert not bench.peer.snapshot()["shutdown_planned"]


async def test_a_shutdown_that_shows_no_sign_is_unknown_and_sent_once() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: b"" if data.startswith(b"S") else None
    with pytest.raises(OutcomeUnknown):
        await bench.run("shut_down", delay_s=60)
    assert line.count(b"S".hex()) == 1


async def test_a_cable_pulled_at_a_shutdown_leaves_the_outcome_unknown() -> None:
    bench = await open_bench(UPS)
    bench.clock.at(0.02, bench.transport.unplug)
    with pytest.raises(OutcomeUnknown):
        await bench.run("shut_down", delay_s=60)


async def test_a_shutdown_that_cannot_be_taken_back_is_a_fault() -> None:
    bench, line = await open_tampered(UPS)
    await bench.run("shut_down", delay_s=60)
    line.instead = lambda data: b"" if data == b"C\r" else None
    with pytest.raises(DeviceFault, match="not_cancelled"):
        await bench.run("cancel_shut_down")


async def test_the_battery_is_tested_on_mains_only() -> None:
    bench = await open_bench(UPS)
    await bench.run("self_test")
    assert bench.peer.snapshot()["testing"]
    bench.press("mains_fail")
    with pytest.raises(DeviceFault, match="device_not_ready"):
        await bench.run("self_test")


async def test_a_test_that_does_not_begin_is_a_fault() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: data if data == b"T\r" else None
    with pytest.raises(DeviceFault, match="self_test_refused"):
        await bench.run("self_test")


async def test_a_late_status_does_not_answer_the_next_question() -> None:
    bench = await open_bench(UPS, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("delay", delay_s=1.0, count=1)))
    bench.press("mains_fail", at=1.02)
    assert (await status(bench)).supply == "battery"
    assert bench.driver.counters()["stale"] == 1


async def test_a_line_cut_short_is_no_status() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: b"(226.0 195.0 226.0 014 49.0 27.5 30.0 0000100\r"
    with pytest.raises(LinkTimeout):
        await bench.driver.status()
