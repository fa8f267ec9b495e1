"""The citizen's page in a real browser."""

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.conftest import PHONE, Visitor
from tests.builders.page_house import PageHouse

pytestmark = pytest.mark.browser


async def test_it_follows_the_ticket_to_the_counter_and_to_the_end(house: PageHouse, visitor: Visitor) -> None:
    await house.counter("c1", "open")
    await house.ticket("household")
    number, token = await house.ticket("household")
    page = await visitor.open(f"{house.url}/t/{token}", PHONE, locale="zh-CN")
    await expect(page.get_by_role("heading", level=1)).to_have_text(number)
    await expect(page.locator(".big")).to_contain_text("1")
    await expect(page.locator(".estimate")).to_contain_text("minutes")
    await house.counter("c1", "call_next")
    await expect(page.locator(".position")).to_contain_text("You are next")
    for step in ("start", "finish", "call_next"):
        await house.counter("c1", step)
    await expect(page.locator(".called .counter-number")).to_contain_text("1")
    await expect(page).to_have_title(f"{number} · 1 号窗口")
    await house.counter("c1", "no_show")
    await expect(page.locator(".position")).to_contain_text("service desk")
    visitor.saw_nothing_wrong()


async def test_a_lost_connection_is_said_and_caught_up(house: PageHouse, visitor: Visitor) -> None:
    await house.counter("c1", "open")
    _, token = await house.ticket("household")
    page = await visitor.open(f"{house.url}/t/{token}", PHONE)
    await house.stop()
    await expect(page.locator(".offline-note")).to_be_visible()
    await house.counter("c1", "call_next")
    await house.start()
    await expect(page.locator(".called")).to_be_visible(timeout=15_000)
    await expect(page.locator(".offline-note")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "query", "first"),
    [
        ("zh-CN", "", "前面"),
        ("en-GB", "", "People"),
        ("en-GB", "?lang=zh", "前面"),
        ("zh-CN", "?lang=en", "People"),
    ],
)
async def test_both_languages_are_there_and_the_readers_comes_first(
    house: PageHouse, visitor: Visitor, locale: str, query: str, first: str
) -> None:
    await house.ticket("household")
    _, token = await house.ticket("household")
    page = await visitor.open(f"{house.url}/t/{token}{query}", PHONE, locale=locale)
    await expect(page.locator(".lead .first")).to_contain_text(first)
    await expect(page.locator(".lead")).to_contain_text("People ahead of you")
    await expect(page.locator(".lead")).to_contain_text("前面还有")


async def test_without_scripts_it_is_complete_and_loads_itself_again(house: PageHouse, visitor: Visitor) -> None:
    number, token = await house.ticket("household")
    page = await visitor.open(f"{house.url}/t/{token}", PHONE, java_script_enabled=False)
    await expect(page.get_by_role("heading", level=1)).to_have_text(number)
    assert '<noscript><meta http-equiv="refresh"' in await page.content()


async def test_an_unknown_code_is_answered_kindly_and_no_search_engine_keeps_it(house: PageHouse) -> None:
    _, token = await house.ticket("household")
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as http:
        known, unknown = await http.get(f"/t/{token}"), await http.get("/t/never-issued-anywhere")
    assert (known.status_code, unknown.status_code) == (200, 404)
    assert "Your number is valid" in unknown.text.replace("\n    ", " ")
    for answer in (known, unknown):
        assert "noindex" in answer.headers["x-robots-tag"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
