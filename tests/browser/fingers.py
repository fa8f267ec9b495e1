"""How a citizen touches a screen."""

from playwright.async_api import Locator, Page


async def ready(page: Page) -> None:
    """Wait until the screen takes touches again after it has changed."""
    await page.locator("body[data-ready=true]").wait_for()


async def press(page: Page, name: str) -> None:
    """Touch a key, as somebody does who has read it."""
    await page.get_by_role("button", name=name).wait_for()
    await ready(page)
    await page.get_by_role("button", name=name).click()


def shown(page: Page, text: str) -> Locator:
    """Words on the screen, apart from what is only spoken."""
    return page.locator("#view, #notices, dialog").get_by_text(text)
