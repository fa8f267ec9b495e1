"""The way of a permit through the card unit and the card printer behind it, each with its own line."""

from typing import Any

from device_profiles.capabilities.card_reader import EjectOutput
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
