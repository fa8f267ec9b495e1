"""Pictures of every page, to be looked at: out/screenshots/*.png."""

from pathlib import Path

import pytest

from tests.browser.busy_day import called, fill
from tests.browser.conftest import DESK, PHONE, Visitor
from tests.builders.clouds import HALL
from tests.builders.page_house import PageHouse

pytestmark = pytest.mark.browser


async def test_every_page_can_be_pictured(house: PageHouse, visitor: Visitor, screenshots: Path) -> None:
    tokens = await fill(house)
    waiting = tokens[max(number for number in tokens if number.startswith("B"))]
    shots = {
        "hall": (f"/halls/{HALL}", DESK, "light"),
        "hall-dark": (f"/halls/{HALL}", DESK, "dark"),
        "hall-phone": (f"/halls/{HALL}", PHONE, "light"),
        "wall": (f"/halls/{HALL}?wall=1", DESK, "light"),
        "crew": ("/crew", PHONE, "light"),
        "ticket-waiting": (f"/t/{waiting}", PHONE, "light"),
        "ticket-called": (f"/t/{await called(house, tokens)}", PHONE, "light"),
        "ticket-english": (f"/t/{waiting}?lang=en", PHONE, "dark"),
    }
    for name, (path, size, scheme) in shots.items():
        page = await visitor.open(house.url + path, size, color_scheme=scheme)
        await page.wait_for_load_state("load")
        await page.screenshot(path=screenshots / f"{name}.png", full_page=name != "wall")
    visitor.saw_nothing_wrong()


async def test_log_in_and_a_wrong_address_can_be_pictured(
    house: PageHouse, visitor: Visitor, screenshots: Path
) -> None:
    for name, path in (("login", "/login"), ("not-found", "/halls/nowhere"), ("ticket-unknown", "/t/nothing-of-ours")):
        page = await visitor.open(house.url + path, PHONE)
        await page.screenshot(path=screenshots / f"{name}.png")
    await visitor.open(f"{house.url}/crew", PHONE)
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    await house.stop()
    await page.locator(".offline-note p").wait_for()
    await page.screenshot(path=screenshots / "hall-offline.png")
