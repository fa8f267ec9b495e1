"""The machine's own screen in a real browser, in front of the real desk and ticket book."""

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import Action, Shape
from device_profiles.messages.twin import DesiredAgent
from firmware_bridge.errors import DeviceFault
from tests.browser.conftest import KIOSK, TOTEM, Visitor
from tests.browser.eyes import low_capitals, scrolls_sideways, too_faint, too_small, wrong_language
from tests.browser.fingers import press, ready, shown
from tests.builders.screen_house import ScreenHouse

pytestmark = pytest.mark.browser

PERSON = IdDocument(name="张三", id_number="000000199001010017", birth_date="19900101")
HOME = "What would you like to do?"


def issued(house: ScreenHouse) -> list[dict[str, object]]:
    return [row.data for row in house.outbox.rows if row.type == "ticket.issued"]


async def take_paper_ticket(page: Page) -> None:
    await press(page, "Household")
    await press(page, "Without a card")
    await expect(page.locator(".ticket-number")).to_have_text(re.compile("A0"))


async def test_a_ticket_is_taken_by_touch(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await take_paper_ticket(page)
    await expect(page.locator(".ticket-number")).to_have_text("A001")
    await expect(shown(page, "Take your paper")).to_be_visible()
    await expect(page.locator("#say")).to_contain_text("A001")
    await press(page, "Done")
    await expect(shown(page, HOME)).to_be_visible()
    assert len(issued(ticket_screen)) == 1
    visitor.saw_nothing_wrong()


async def test_a_nervous_finger_gets_one_ticket(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Household")
    await expect(shown(page, "How would you like")).to_be_visible()
    await ready(page)
    await page.locator("[data-press=plain]").evaluate("key => { for (let n = 0; n < 5; n += 1) key.click(); }")
    await expect(page.locator(".ticket-number")).to_have_text("A001")
    assert len(issued(ticket_screen)) == 1


async def test_a_double_touch_does_not_press_what_appears_under_the_finger(
    ticket_screen: ScreenHouse, visitor: Visitor
) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await expect(shown(page, HOME)).to_be_visible()
    await ready(page)
    await page.evaluate("""() => {
      document.querySelector("[data-press='service:household']").click();
      document.querySelector("[data-press=card]").click();
    }""")
    await expect(shown(page, "How would you like")).to_be_visible()
    assert ticket_screen.reader.executed == []


async def test_a_ticket_by_id_card(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    laid = asyncio.Event()

    async def read(_args: Shape) -> Shape:
        await laid.wait()
        return PERSON

    ticket_screen.reader.acts["read"] = read
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Household")
    await press(page, "With my ID card")
    await expect(shown(page, "Lay your ID card on the reader")).to_be_visible()
    await expect(page.locator("[data-countdown]")).to_have_text(re.compile(r"^(20|1\d)$"))
    laid.set()
    await expect(page.locator(".ticket-number")).to_have_text("A001")
    assert PERSON.id_number not in await page.content()
    assert PERSON.name not in await page.content()


async def test_no_card_is_no_dead_end(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    async def nobody(_args: Shape) -> Shape:
        raise DeviceFault("no_media", Action.SUSPEND, "no card came")

    ticket_screen.reader.acts["read"] = nobody
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Household")
    await press(page, "With my ID card")
    await expect(shown(page, "No ID card was read")).to_be_visible()
    await press(page, "Without a card")
    await expect(page.locator(".ticket-number")).to_have_text("A001")


async def test_without_paper_the_number_and_its_code_stand_on_the_screen(
    ticket_screen: ScreenHouse, visitor: Visitor
) -> None:
    async def no_paper(_args: Shape) -> Shape:
        raise DeviceFault("paper_out", Action.CLEAR, "no paper")

    ticket_screen.printer.acts["print"] = no_paper
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Household")
    await press(page, "Without a card")
    await expect(shown(page, "Please take a photo")).to_be_visible()
    await expect(page.get_by_role("img", name="Scan to follow the queue")).to_be_visible()
    assert await ends_inside(page, "Done")


async def test_large_type_ends_with_the_visit(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Large type")
    await expect(page.locator("body")).to_have_class(re.compile("elder"))
    await expect(page.get_by_role("button", name="Large type")).to_have_attribute("aria-pressed", "true")
    await take_paper_ticket(page)
    await expect(page.locator("body")).to_have_class(re.compile("elder"))
    assert await ends_inside(page, "Done")
    await press(page, "Done")
    await expect(page.locator("body")).not_to_have_class(re.compile("elder"))
    assert await page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]


async def test_nobody_is_sent_home_unasked(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Household")
    await expect(shown(page, "How would you like")).to_be_visible()
    await wait_in_page(page, 50)
    await expect(shown(page, "Are you still there?")).to_be_visible()
    await page.get_by_role("button", name="I am here").click()
    await expect(shown(page, "Are you still there?")).to_be_hidden()
    await expect(shown(page, "How would you like")).to_be_visible()
    await wait_in_page(page, 120)
    await expect(shown(page, HOME)).to_be_visible()


async def ends_inside(page: Page, name: str) -> bool:
    """Whether a key can be seen whole without scrolling."""
    whole = """key => {
      const [box, frame] = [key.getBoundingClientRect(), document.getElementById("view").getBoundingClientRect()];
      return box.bottom <= frame.bottom && box.top >= frame.top;
    }"""
    seen: bool = await page.get_by_role("button", name=name).evaluate(whole)
    return seen


async def wait_in_page(page: Page, seconds: int) -> None:
    """Let the page believe that nobody has touched it for so long."""
    later = "seconds => { const real = Date.now.bind(Date); Date.now = () => real() + seconds * 1000; }"
    await page.evaluate(later, seconds)


async def test_without_the_link_tickets_still_work(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await expect(shown(page, HOME)).to_be_visible()
    ticket_screen.online = False
    ticket_screen.touch()
    await expect(shown(page, "tickets still work")).to_be_visible()
    await take_paper_ticket(page)


async def test_without_the_link_journeys_are_shut(journey_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(journey_screen.url, KIOSK)
    await expect(shown(page, HOME)).to_be_visible()
    journey_screen.online = False
    journey_screen.touch()
    await expect(shown(page, "only counters can serve you")).to_be_visible()
    await expect(page.get_by_role("button", name="endorsement")).to_be_disabled()


async def test_it_says_when_the_agent_is_gone_and_comes_back_by_itself(
    ticket_screen: ScreenHouse, visitor: Visitor
) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await press(page, "Household")
    ticket_screen.online = False
    ticket_screen.touch()
    await expect(shown(page, "tickets still work")).to_be_visible()
    await ticket_screen.stop()
    await expect(shown(page, "This machine is not available now")).to_be_visible()
    await expect(shown(page, "tickets still work")).to_be_hidden()
    await ticket_screen.start()
    await expect(shown(page, HOME)).to_be_visible(timeout=15_000)


async def test_a_journey_is_led_by_the_cloud(journey_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(journey_screen.url, TOTEM)
    await press(page, "endorsement")
    await expect(shown(page, "Please wait")).to_be_visible()
    assert [row.data["item"] for row in journey_screen.outbox.rows if row.type == "session.started"] == [
        "hk-macao-endorsement"
    ]
    await journey_screen.show("请插入通行证", "Insert your permit", "act")
    await expect(page.locator(".message.act")).to_contain_text("Insert your permit")
    asked = asyncio.create_task(
        journey_screen.choose("请选择", "Choose", ("once", "一次", "Once"), ("twice", "二次", "Twice"))
    )
    await press(page, "Twice")
    assert await asked == "twice"
    await journey_screen.show("完成", "All done", "done", end=True)
    await expect(page.locator(".message.done")).to_contain_text("All done")
    journey_screen.board.go_home()
    await expect(shown(page, HOME)).to_be_visible()
    visitor.saw_nothing_wrong()


async def test_a_ticket_is_taken_by_keyboard(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    page = await visitor.open(ticket_screen.url, KIOSK)
    await expect(shown(page, HOME)).to_be_visible()
    await page.keyboard.press("Tab")
    assert "Household" in await page.evaluate("document.activeElement.textContent")
    await ready(page)
    await page.keyboard.press("Enter")
    await expect(shown(page, "How would you like")).to_be_visible()
    await ready(page)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".ticket-number")).to_have_text("A001")


@pytest.mark.parametrize("size", [KIOSK, TOTEM, {"width": 1024, "height": 768}], ids=["kiosk", "totem", "small"])
async def test_it_can_be_read_and_hit(ticket_screen: ScreenHouse, visitor: Visitor, size: dict[str, int]) -> None:
    page = await visitor.open(ticket_screen.url, size)
    ticket_screen.online = False
    ticket_screen.touch()
    await expect(shown(page, "tickets still work")).to_be_visible()
    await check_eyes(page, 4.8)
    await press(page, "Large type")
    await check_eyes(page, 7.3)
    await press(page, "Household")
    await expect(shown(page, "How would you like")).to_be_visible()
    await check_eyes(page, 7.3)
    await press(page, "Without a card")
    await expect(page.locator(".ticket-number")).to_be_visible()
    await check_eyes(page, 7.3)


async def check_eyes(page: Page, capitals_mm: float) -> None:
    assert await low_capitals(page, capitals_mm) == []
    assert await too_small(page, 20 / 25.4 * 96) == []
    assert await too_faint(page) == []
    assert await wrong_language(page) == []
    assert not await scrolls_sideways(page)


async def test_names_are_text_whatever_they_hold(ticket_screen: ScreenHouse, visitor: Visitor) -> None:
    agent = ticket_screen.desired.agent
    evil = agent.services["household"].model_copy(update={"name_en": "Household<img src=x onerror=window.ran=1>"})
    ticket_screen.desired.agent = DesiredAgent.model_validate(agent.model_dump() | {"services": {"household": evil}})
    page = await visitor.open(ticket_screen.url, KIOSK)
    await take_paper_ticket(page)
    assert await page.evaluate("window.ran") is None
    assert await page.locator("img").count() == 0
    await expect(shown(page, "<img src=x")).to_be_visible()
    visitor.saw_nothing_wrong()
