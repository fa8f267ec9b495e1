import logging
from pathlib import Path

import pytest

from device_profiles.capabilities.power import PowerStatus
from device_profiles.errors import ProfileError
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol, TransportLost
from simulators.faults import FaultyPeer, LineFault
from tests.builders.bench import Bench, open_bench
from tests.builders.tampered import open_tampered

UPS = "nut-ups"


@pytest.fixture
def login(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "password"
    file.write_text("sandbox\n")
    return {"username": "hall", "password_file": str(file)}


def rewrite(login: dict[str, str], password: str) -> None:
    Path(login["password_file"]).write_text(password)


async def status(bench: Bench) -> PowerStatus:
    found = await bench.driver.status()
    assert isinstance(found, PowerStatus)
    return found


async def test_a_supply_says_its_name() -> None:
    identity = await (await open_bench(UPS)).driver.identify()
    assert (identity.model, identity.serial_number, identity.firmware) == ("Invented Power LI1000", "SIM0001", "1.0")


async def test_readings_travel_as_telemetry_and_end_with_the_supply() -> None:
    bench = await open_bench(UPS)
    await bench.driver.status()
    told = bench.driver.counters()
    assert (told["input_v"], told["load_pct"], told["battery_pct"], told["runtime_s"]) == (226.0, 14.0, 100.0, 1800.0)
    bench.press("lose_usb")
    assert (await status(bench)).device == "offline"
    assert "input_v" not in bench.driver.counters()


async def test_several_flags_are_told_at_once() -> None:
    bench = await open_bench(UPS)
    for button in ("mains_fail", "battery_low", "overload"):
        bench.press(button)
    found = await status(bench)
    assert (found.supply, found.battery, found.load) == ("battery", "low", "overload")


async def test_a_supply_that_the_server_does_not_have_is_told() -> None:
    bench = await open_bench(UPS, options={"ups": "other"}, device={"ups": "hallups"})
    with pytest.raises(PeerBrokeProtocol, match="no supply of the name"):
        await bench.driver.identify()


async def test_of_several_supplies_the_profile_must_name_one() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: b'BEGIN LIST UPS\nUPS a "x"\nUPS b "y"\nEND LIST UPS\n'
    with pytest.raises(PeerBrokeProtocol, match="got a, b"):
        await bench.driver.identify()


async def test_a_description_in_another_script_does_no_harm() -> None:
    bench, line = await open_tampered(UPS)
    line.instead = lambda data: (
        'BEGIN LIST UPS\nUPS hallups "电源"\nEND LIST UPS\n'.encode() if data == b"LIST UPS\n" else None
    )
    await bench.driver.identify()


async def test_commands_need_a_user() -> None:
    bench = await open_bench(UPS)
    await bench.driver.identify()
    with pytest.raises(DeviceFault, match="access_denied"):
        await bench.run("self_test")


async def test_a_wrong_password_is_refused_without_repeating_it(login: dict[str, str]) -> None:
    rewrite(login, "guessed")
    bench = await open_bench(UPS, options=login)
    await bench.driver.identify()
    with pytest.raises(DeviceFault, match="access_denied") as refused:
        await bench.run("self_test")
    assert "guessed" not in str(refused.value)


async def test_the_output_is_cut_after_the_delay_asked_for(login: dict[str, str]) -> None:
    bench = await open_bench(UPS, options=login)
    await bench.driver.identify()
    await bench.driver.identify()  # logging in twice on one connection is no error
    await bench.run("shut_down", delay_s=90)
    assert bench.peer.snapshot()["shutdown_in_s"] == pytest.approx(90, abs=0.1)
    await bench.run("cancel_shut_down")
    assert bench.peer.snapshot()["shutdown_in_s"] == 0
    await bench.run("self_test")
    assert bench.peer.snapshot()["testing"]


async def test_a_shutdown_without_an_answer_is_unknown_and_sent_once(login: dict[str, str]) -> None:
    bench, line = await open_tampered(UPS, options=login)
    line.instead = lambda data: b"" if data.startswith(b"INSTCMD") else None
    with pytest.raises(OutcomeUnknown):
        await bench.run("shut_down", delay_s=90)
    assert line.count(b"INSTCMD".hex()) == 1


async def test_a_delay_that_the_supply_does_not_take_switches_nothing_off(login: dict[str, str]) -> None:
    bench, line = await open_tampered(UPS, options=login)
    line.instead = lambda data: b"ERR READONLY\n" if data.startswith(b"SET") else None
    with pytest.raises(DeviceFault, match="READONLY"):
        await bench.run("shut_down", delay_s=90)
    assert line.count(b"INSTCMD".hex()) == 0


async def test_the_password_is_in_no_log_at_any_level(login: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        bench = await open_bench(UPS, options=login)
        await bench.driver.identify()
        await bench.run("self_test")
    assert "sandbox" not in caplog.text


async def test_a_missing_password_file_is_told_at_the_start(login: dict[str, str]) -> None:
    with pytest.raises(ProfileError, match="password_file"):
        await open_bench(UPS, options={**login, "password_file": "/nowhere/password"})
    with pytest.raises(ProfileError, match="or neither"):
        await open_bench(UPS, options={"username": "hall"})


async def test_a_list_whose_end_is_lost_is_no_list() -> None:
    bench, line = await open_tampered(UPS)
    line.change = lambda data, answers: [(at, answer[: answer.rindex(b"END")]) for at, answer in answers]
    with pytest.raises(LinkTimeout):
        await bench.driver.status()
    line.change = None
    assert (await status(bench)).device == "online"


async def test_a_late_list_does_not_answer_the_next_question() -> None:
    bench = await open_bench(UPS)
    await bench.driver.identify()
    bench.transport._peer = FaultyPeer(bench.peer, 1, LineFault("delay", delay_s=2.04, count=1))
    bench.press("mains_fail", at=bench.clock.monotonic() + 2.02)
    assert (await status(bench)).supply == "battery"
    assert bench.driver.counters()["stale"] == 1


async def test_a_connection_lost_in_the_middle_of_a_shutdown_leaves_the_outcome_unknown(login: dict[str, str]) -> None:
    bench, line = await open_tampered(UPS, options=login)

    def hang_up(data: bytes) -> bytes | None:
        if not data.startswith(b"INSTCMD"):
            return None
        bench.transport.unplug()
        return b""

    line.instead = hang_up
    with pytest.raises(OutcomeUnknown):
        await bench.run("shut_down", delay_s=90)
    with pytest.raises(TransportLost):
        await bench.driver.status()
