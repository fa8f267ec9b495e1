"""The way of a permit through the card unit and the card printer behind it, each with its own line."""

from typing import Any

import pytest

from device_profiles.capabilities.card_reader import EjectOutput
from firmware_bridge.errors import DeviceFault
from simulators.people import People
from simulators.peripherals.card_path import CardPath, Place
from tests.builders.bench import open_bench


async def test_a_permit_goes_in_is_printed_and_goes_back_to_its_holder() -> None:
    path, people = CardPath(), People(1)
    shared: dict[str, Any] = {"card_path": path, "people": people}
    unit, printer = await open_bench("creator-crt-571", shared=shared), await open_bench("star-tcp300", shared=shared)
    await unit.driver.identify()
    await printer.driver.identify()
    unit.press("insert_card", "p001", at=unit.clock.monotonic() + 2)
    await unit.run("accept", wait_s=10)
    await unit.run("read_chip")
    await unit.run("move", to="printer")
    assert path.place is Place.PRINTER
    await printer.run("print", lines=["香港", "有效期至 2027-11-22"])
    await unit.run("move", to="hold")
    unit.press("take_card", at=unit.clock.monotonic() + 3)
    assert await unit.run("eject", wait_taken_s=20) == EjectOutput(taken=True)
    assert people.permit("p001").face == ["香港", "有效期至 2027-11-22"]
    assert unit.peer.snapshot()["stacker"] == 100


async def test_another_unit_and_another_printer_share_the_path_in_the_same_way() -> None:
    path, people = CardPath(), People(1)
    shared: dict[str, Any] = {"card_path": path, "people": people}
    unit = await open_bench("creator-crt-310-rear-printer", shared=shared)
    printer = await open_bench("sanwa-crp-1231", shared=shared)
    await unit.driver.identify()
    await printer.driver.identify()
    unit.press("insert_card", "p001", at=unit.clock.monotonic() + 2)
    await unit.run("accept", wait_s=10)
    await unit.run("move", to="printer")
    assert path.place is Place.PRINTER
    await printer.run("print", lines=["香港", "有效期至 2027-11-22"])
    assert path.snapshot()["position"] == "handover"
    await unit.run("move", to="hold")
    unit.press("take_card", at=unit.clock.monotonic() + 3)
    assert await unit.run("eject", wait_taken_s=20) == EjectOutput(taken=True)
    assert people.permit("p001").face == ["香港", "有效期至 2027-11-22"]


async def test_a_card_at_the_printer_is_no_card_of_the_unit_and_is_not_lost() -> None:
    path, people = CardPath(), People(1)
    shared: dict[str, Any] = {"card_path": path, "people": people}
    unit = await open_bench("creator-crt-310-rear-printer", shared=shared)
    await unit.driver.identify()
    path.put(people.permit("p001"), Place.PRINTER)
    with pytest.raises(DeviceFault, match="no_media"):
        await unit.run("move", to="hold")
    await unit.run("reset")
    assert path.place is Place.PRINTER
