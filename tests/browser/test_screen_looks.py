"""Pictures of the machines' own screens, to be looked at: out/screenshots/screen-*.png."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from device_profiles.capabilities.model import Action, Shape
from firmware_bridge.errors import DeviceFault
from tests.browser.conftest import KIOSK, TOTEM, Visitor
from tests.browser.fingers import press
from tests.builders.screen_house import ScreenHouse

pytestmark = pytest.mark.browser


async def no_paper(_args: Shape) -> Shape:
    raise DeviceFault("paper_out", Action.CLEAR, "no paper")


async def test_ticket_screens_can_be_pictured(ticket_screen: ScreenHouse, visitor: Visitor, screenshots: Path) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)

    async def picture(name: str) -> None:
        await page.screenshot(path=screenshots / f"screen-{name}.png")

    await expect(page.get_by_role("button", name="Household")).to_be_visible()
    await picture("home")
    await press(page, "Large type")
    await picture("home-elder")
    await press(page, "Household")
    await press(page, "Without a card")
    await expect(page.locator("#view, #notices").get_by_text("A001")).to_be_visible()
    await picture("ticket-elder")
    await press(page, "Done")
    await press(page, "Household")
    await picture("how")
    await press(page, "Without a card")
    await expect(page.locator("#view, #notices").get_by_text("A002")).to_be_visible()
    await picture("ticket-paper")
    await press(page, "Done")
    ticket_screen.printer.acts["print"] = no_paper
    await press(page, "Exit and entry")
    await press(page, "Without a card")
    await expect(page.locator("#view, #notices").get_by_text("B001")).to_be_visible()
    await picture("ticket-qr")
    await press(page, "Done")
    ticket_screen.online = False
    ticket_screen.touch()
    await expect(page.locator("#view, #notices").get_by_text("Offline")).to_be_visible()
    await picture("offline")
    await ticket_screen.stop()
    await expect(page.locator("#view, #notices").get_by_text("not available now")).to_be_visible()
    await picture("unreachable")


async def test_journey_screens_can_be_pictured(
    journey_screen: ScreenHouse, visitor: Visitor, screenshots: Path
) -> None:
    page = await visitor.open(journey_screen.url, TOTEM)

    async def picture(name: str) -> None:
        await page.screenshot(path=screenshots / f"screen-{name}.png")

    await expect(page.get_by_role("button", name="endorsement")).to_be_visible()
    await picture("journey-home")
    await press(page, "endorsement")
    await journey_screen.show("请插入通行证", "Insert your permit", "act")
    await expect(page.locator("#view, #notices").get_by_text("Insert your permit")).to_be_visible()
    await picture("journey-act")
    options = [
        ("once", "一次 15 元", "Once, 15 yuan"),
        ("twice", "二次 30 元", "Twice, 30 yuan"),
        ("end", "取消", "Cancel"),
    ]
    asked = asyncio.create_task(journey_screen.choose("请选择签注次数", "Choose the endorsement", *options))
    await expect(page.get_by_role("button", name="Twice")).to_be_visible()
    await picture("journey-question")
    await press(page, "Twice")
    assert await asked == "twice"
    await journey_screen.show("签注完成，请取走通行证和回执", "Done. Take your permit", "done", end=True)
    await expect(page.locator("#view, #notices").get_by_text("Take your permit")).to_be_visible()
    await picture("journey-done")
    visitor.saw_nothing_wrong()
