from pathlib import Path

import pytest

from device_profiles.capabilities.auxiliaries import AuxiliariesStatus
from device_profiles.catalog import load_catalog
from device_profiles.errors import ProfileError
from firmware_bridge.drivers import Driver
from firmware_bridge.errors import PeerBrokeProtocol, TransportLost
from firmware_bridge.registry import load_driver, transport_for
from simulators.faults import FaultyPeer, LineFault
from simulators.peripherals import build_peer
from simulators.pty_port import PtyPort
from tests.builders.bench import open_bench

CONTACTS = "gpio-door-tamper"


async def told(driver: Driver) -> tuple[str, str]:
    status = await driver.status()
    assert isinstance(status, AuxiliariesStatus)
    return str(status.cabinet), str(status.tamper)


async def test_a_cut_wire_is_an_alarm() -> None:
    bench = await open_bench(CONTACTS)
    assert await told(bench.driver) == ("closed", "ok")
    bench.press("cut_wire")
    assert await told(bench.driver) == ("closed", "alarm")


async def test_a_door_that_was_open_between_two_looks_is_told_once() -> None:
    bench = await open_bench(CONTACTS)
    bench.press("open_door")
    bench.press("close_door")
    assert await told(bench.driver) == ("open", "ok")
    assert await told(bench.driver) == ("closed", "ok")


async def test_an_opening_while_the_levels_are_on_their_way_is_told() -> None:
    bench = await open_bench(CONTACTS, wrap=lambda peer: FaultyPeer(peer, 1, LineFault("delay", delay_s=0.2, count=1)))
    bench.press("open_door", at=0.05)
    bench.press("close_door", at=0.1)
    assert (await told(bench.driver))[0] == "open"


async def test_a_single_contact_tells_nothing_of_the_other() -> None:
    bench = await open_bench(CONTACTS, options={"tamper": None})
    assert await told(bench.driver) == ("closed", "None")


async def test_a_board_with_other_lines_is_another_device() -> None:
    bench = await open_bench(CONTACTS, options={"tamper": None}, device={"tamper": {"line": 27}})
    with pytest.raises(PeerBrokeProtocol, match="levels of 1 lines"):
        await bench.driver.identify()


async def test_neither_contact_is_an_error_in_the_profile() -> None:
    with pytest.raises(ProfileError, match="got neither"):
        await open_bench(CONTACTS, options={"door": None, "tamper": None})


async def test_a_simulated_board_sits_on_a_pty_of_the_same_transport(tmp_path: Path) -> None:
    profile = load_catalog().peripheral(CONTACTS)
    port = PtyPort(build_peer(profile, seed=1, shared={}), tmp_path / "chip")
    port.plug()
    transport = transport_for(profile, str(port.link))
    await transport.open()
    driver = load_driver(profile, transport)
    port.press("open_door")
    assert await told(driver) == ("open", "ok")
    port.unplug()
    with pytest.raises(TransportLost):
        await driver.status()
    await driver.close()
