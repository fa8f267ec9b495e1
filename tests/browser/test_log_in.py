"""Staff log in; what goes wrong is a page for people and a document for programs."""

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.busy_day import fill
from tests.browser.conftest import PHONE, Visitor
from tests.builders.clouds import HALL
from tests.builders.page_house import PageHouse
from tests.builders.people import PASSWORD

pytestmark = pytest.mark.browser


async def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Account").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.keyboard.press("Enter")


async def test_staff_log_in_on_the_way_to_a_page(guarded_house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{guarded_house.url}/crew", PHONE)
    await expect(page.get_by_role("heading", name="Staff log-in")).to_be_visible()
    await log_in(page, "mender", "a guess that is wrong")
    await expect(page.get_by_role("alert")).to_contain_text("Account and password do not match")
    await log_in(page, "mender")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Open faults")
    assert page.url == f"{guarded_house.url}/crew"
    assert await page.evaluate("document.cookie") == "", "scripts cannot read the log-in"
    await guarded_house.status("ticket-1", "printer", "paper", "out")
    await expect(page.locator("#part-faults")).to_contain_text("paper_out")
    await page.get_by_role("button", name="I take it").click()
    await expect(page.locator("#part-faults")).to_contain_text("Somebody is on it")


async def test_a_log_in_that_ends_is_asked_for_again(guarded_house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{guarded_house.url}/login?next=/halls/{HALL}")
    await log_in(page, "chief")
    await expect(page.locator("#part-queue")).to_be_visible()
    await page.context.clear_cookies()
    await guarded_house.ticket("household")
    await expect(page.get_by_role("heading", name="Staff log-in")).to_be_visible()


async def test_a_page_says_who_is_logged_in_and_lets_them_out(guarded_house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{guarded_house.url}/login", PHONE)
    await log_in(page, "lin")
    await expect(page.locator("header .who")).to_contain_text("lin 先生")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Staff log-in")).to_be_visible()
    await page.goto(f"{guarded_house.url}/halls/{HALL}")
    await expect(page.get_by_role("heading", name="Staff log-in")).to_be_visible()


async def test_a_page_offers_nothing_that_its_reader_may_not_do(guarded_house: PageHouse, visitor: Visitor) -> None:
    await fill(guarded_house)
    for name, keys in (("lin", 0), ("chief", 1)):
        page = await visitor.open(f"{guarded_house.url}/login?next=/halls/{HALL}")
        await log_in(page, name)
        await expect(page.locator("#part-proposals .card").first).to_be_visible()
        assert await page.get_by_role("button", name="Accept").count() == keys
        assert bool(await page.get_by_role("button", name="Acknowledge").count()) is bool(keys)
    page = await visitor.open(f"{guarded_house.url}/login", PHONE)
    await log_in(page, "mender")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Open faults")
    assert await page.locator(f"a[href='/halls/{HALL}']").count() == 0
    await page.goto(f"{guarded_house.url}/halls/{HALL}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("不允许 Not allowed")


async def test_everything_of_the_log_in_works_without_scripts(guarded_house: PageHouse, visitor: Visitor) -> None:
    await fill(guarded_house)
    page = await visitor.open(f"{guarded_house.url}/halls/{HALL}", java_script_enabled=False)
    await log_in(page, "chief")
    await page.get_by_role("button", name="Acknowledge").first.click()
    await expect(page.locator("#part-alerts")).to_contain_text("Somebody is on it")
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Staff log-in")).to_be_visible()


async def test_citizens_need_no_log_in(guarded_house: PageHouse, visitor: Visitor) -> None:
    _, token = await guarded_house.ticket("household")
    page = await visitor.open(f"{guarded_house.url}/t/{token}", PHONE)
    await guarded_house.counter("c1", "open")
    await guarded_house.counter("c1", "call_next")
    await expect(page.locator(".called")).to_be_visible()
    visitor.saw_nothing_wrong()


async def test_the_way_on_stays_on_this_site(guarded_house: PageHouse) -> None:
    async with httpx.AsyncClient(base_url=guarded_house.url, trust_env=False) as http:
        for evil in ("//evil.test", "https://evil.test", "/\\evil.test", "javascript:alert(1)"):
            assert (await http.get("/login", params={"next": evil})).status_code == 422
            answer = await http.post("/login", data={"name": "chief", "password": PASSWORD, "next": evil})
            assert answer.status_code == 422
        assert "set-cookie" in (await http.post("/login", data={"name": "chief", "password": PASSWORD})).headers


async def test_what_is_not_there_is_said_in_both_languages(house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{house.url}/halls/no-such-hall")
    await expect(page.get_by_role("heading", level=1)).to_have_text("没有此页 There is no such page")
    await page.get_by_role("link", name="Back to the hall").click()
    await expect(page.locator("#part-queue")).to_be_visible()
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as http:
        answer = await http.get("/halls/no-such-hall")
        assert answer.headers["content-type"].startswith("application/problem+json")


async def test_a_key_that_comes_too_late_says_so(house: PageHouse, visitor: Visitor) -> None:
    await fill(house)
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    live = (await page.request.get(f"{house.url}/api/v1/halls/{HALL}/live")).json
    proposal = (await live())["proposals"][0]["id"]
    await page.route("**/parts/proposals", lambda route: route.abort())
    await house.cloud.db.write(lambda tx: house.cloud.dispatch.decline(tx, proposal))
    await page.get_by_role("button", name="Accept").click()
    await expect(page.get_by_role("alert")).to_contain_text("it has changed meanwhile")
