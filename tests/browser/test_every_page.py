"""What holds for every page of the cloud."""

import httpx
import pytest

from tests.browser.busy_day import called, fill
from tests.browser.conftest import DESK, PHONE, Visitor
from tests.browser.eyes import scrolls_sideways, too_faint, too_small, wrong_language
from tests.builders.clouds import HALL
from tests.builders.page_house import PageHouse

pytestmark = pytest.mark.browser


async def addresses(house: PageHouse) -> list[str]:
    tokens = await fill(house)
    waiting = tokens[max(number for number in tokens if number.startswith("B"))]
    paths = [f"/halls/{HALL}", f"/halls/{HALL}?wall=1", "/crew", f"/t/{waiting}", f"/t/{await called(house, tokens)}"]
    return [house.url + path for path in [*paths, "/t/not-a-ticket-of-this-hall"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_has_contrast_and_a_language(house: PageHouse, visitor: Visitor, scheme: str) -> None:
    for url in await addresses(house):
        page = await visitor.open(url, color_scheme=scheme)
        assert await too_faint(page) == [], url
        assert await wrong_language(page) == [], url
        assert await page.locator("html").get_attribute("lang") in ("zh-Hans", "en")


async def test_nothing_scrolls_sideways_and_every_target_can_be_hit(house: PageHouse, visitor: Visitor) -> None:
    for url in await addresses(house):
        for size in (PHONE, DESK):
            page = await visitor.open(url, size)
            assert not await scrolls_sideways(page), (url, size)
            assert await too_small(page, 44) == [], (url, size)
            await page.context.close()


async def test_pages_ask_no_other_host_and_leave_no_word_on_the_console(house: PageHouse, visitor: Visitor) -> None:
    for url in (await addresses(house))[:-1]:
        page = await visitor.open(url)
        await page.wait_for_load_state("load")
    visitor.saw_nothing_wrong()


async def test_the_policy_refuses_inline_scripts_and_frames(house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    await page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
    }""")
    assert await page.evaluate("window.ran") is None
    async with httpx.AsyncClient(trust_env=False) as http:
        for url in await addresses(house):
            answer = await http.get(url)
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert "<script>" not in answer.text
            assert " style=" not in answer.text
            assert " onclick" not in answer.text


async def test_names_are_text_whatever_they_hold(evil_house: PageHouse, visitor: Visitor) -> None:
    hall = evil_house.cloud.settings.halls[0]
    _, token = await evil_house.ticket("household")
    await evil_house.counter("c1", "open")
    await evil_house.counter("c1", "call_next")
    for path in (f"/halls/{hall}", "/crew", f"/t/{token}", "/t/%3Cimg%20src=x%20onerror=window.ran=1%3E"):
        page = await visitor.open(evil_house.url + path)
        assert await page.evaluate("window.ran") is None, path
        assert await page.locator("img").count() == 0, path
    assert "<img src=x onerror=window.ran=1>" in await (await visitor.open(f"{evil_house.url}/t/{token}")).inner_text(
        "body"
    )


async def test_the_eyes_of_these_tests_see_what_is_wrong(house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{house.url}/halls/{HALL}", PHONE)
    await page.evaluate("""() => {
      const root = document.documentElement.style;
      root.setProperty("--ink-soft", "#9aa4ae");
      root.setProperty("--target", "20px");
      document.querySelector("h1 .en").textContent = "汉字";
      document.querySelector("main").style.width = "500px";
    }""")
    assert await too_faint(page)
    assert await too_small(page, 44)
    assert await wrong_language(page) == ["汉字: in en"]
    assert await scrolls_sideways(page)
