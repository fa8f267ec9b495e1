"""The hall manager's page in a real browser."""

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.busy_day import fill
from tests.browser.conftest import Visitor
from tests.builders.clouds import HALL
from tests.builders.page_house import PageHouse

pytestmark = pytest.mark.browser


def waiting(page: Page, service: str) -> Locator:
    return page.locator(f"#service-{service} td.figure")


async def test_it_shows_queue_counters_machines_alerts_and_proposals(house: PageHouse, visitor: Visitor) -> None:
    await fill(house)
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    late = page.locator("#service-exit-entry")
    await expect(late).to_contain_text("Over target")
    await expect(late.locator(".status.bad")).to_be_visible()
    await expect(page.locator("#counter-row-c4")).to_contain_text("何以宁")
    await expect(page.locator("#counter-row-c4")).to_contain_text("Serving")
    await expect(page.locator("#part-alerts")).to_contain_text("paper_out")
    await expect(page.locator("#part-proposals")).to_contain_text("Exit and entry")
    for machine in house.cloud.register.machines:
        await expect(page.locator(f"#machine-row-{machine}")).to_be_visible()
        await expect(page.locator(f"[data-machine={machine}] title")).to_contain_text(machine)
    await expect(page.locator("[data-machine=ticket-1]")).to_have_class("bad")
    await expect(page.locator(".chart canvas")).to_be_visible()
    visitor.saw_nothing_wrong()


async def test_what_happens_appears_without_a_reload(house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    await page.evaluate("window.kept = true")
    await expect(waiting(page, "household")).to_have_text("0")
    await house.ticket("household")
    await expect(waiting(page, "household")).to_have_text("1")
    await house.counter("c1", "open")
    await house.counter("c1", "call_next")
    await expect(page.locator("#counter-row-c1")).to_contain_text("Called")
    await house.status("ticket-1", "printer", "paper", "out")
    await expect(page.locator("#part-alerts")).to_contain_text("paper_out")
    await house.status("ticket-1", "printer", "paper", "full")
    await expect(page.locator("#part-alerts")).to_contain_text("No open fault")
    assert await page.evaluate("window.kept")


async def test_a_lost_connection_is_said_and_caught_up(house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    note = page.locator(".offline-note")
    await expect(note).to_be_hidden()
    await house.stop()
    await expect(note).to_be_visible()
    await expect(note).to_contain_text("Connection lost")
    await house.ticket("household")
    await house.start()
    await expect(waiting(page, "household")).to_have_text("1", timeout=15_000)
    await expect(note).to_be_hidden()


async def test_a_proposal_is_accepted_by_keyboard(house: PageHouse, visitor: Visitor) -> None:
    await fill(house)
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    await page.keyboard.press("Tab")
    assert "Skip to content" in await page.evaluate("document.activeElement.textContent")
    names: list[str] = []
    while not any("Accept" in name for name in names):
        await page.keyboard.press("Tab")
        names.append(await page.evaluate("document.activeElement.textContent"))
        assert len(names) < 20, names
    await page.keyboard.press("Enter")
    await expect(page.locator("#part-proposals")).to_contain_text("Nothing to propose")
    await expect(page.locator("#counter-row-c1")).to_contain_text("出入境业务")


async def test_an_alert_is_acknowledged_and_the_focus_is_not_lost(house: PageHouse, visitor: Visitor) -> None:
    await fill(house)
    page = await visitor.open(f"{house.url}/halls/{HALL}")
    second = page.locator("#part-alerts li").nth(1).get_by_role("button")
    await second.focus()
    focused = await page.evaluate("document.activeElement.id")
    await page.locator("#part-alerts li").nth(0).get_by_role("button").evaluate("key => key.form.requestSubmit()")
    await expect(page.locator("#part-alerts")).to_contain_text("Somebody is on it")
    assert await page.evaluate("document.activeElement.id") == focused


async def test_keys_work_without_scripts(house: PageHouse, visitor: Visitor) -> None:
    await fill(house)
    page = await visitor.open(f"{house.url}/crew", java_script_enabled=False)
    await page.get_by_role("button", name="I take it ticket-1").click()
    await expect(page.locator("#part-faults")).to_contain_text("Somebody is on it")
    assert page.url == f"{house.url}/crew"


async def test_a_page_of_another_site_cannot_press_a_key(house: PageHouse) -> None:
    await fill(house)
    async with httpx.AsyncClient(base_url=house.url, trust_env=False) as http:
        alerts = (await http.get(f"/api/v1/halls/{HALL}/live")).json()["alerts"]
        path, form = f"/alerts/{alerts[0]['id']}/acknowledge", {"key": "k1"}
        for headers in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await http.post(path, data=form, headers=headers)
            assert answer.status_code == 403
            assert answer.json()["code"] == "other_origin"
        assert (await http.post(path, data=form)).status_code == 303
        assert (await http.post(path, data=form)).status_code == 303, "the same key again is the same answer"


async def test_the_root_leads_to_the_first_hall(house: PageHouse, visitor: Visitor) -> None:
    page = await visitor.open(f"{house.url}/")
    assert page.url == f"{house.url}/halls/{HALL}"
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Demonstration Service Hall")
