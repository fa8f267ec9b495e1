"""Debian's Chromium, headless, driven by Playwright. It talks to loopback pages only."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

from tests.servers.parts import find_program

# Without these Chromium calls home at every start: noise in the logs, refused on a closed network.
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


@asynccontextmanager
async def launch() -> AsyncIterator[Browser]:
    """A browser with an empty profile; Playwright ends it with the block, or when this process dies."""
    program = find_program("chromium")
    async with async_playwright() as playwright:
        # No sandbox: it cannot start as root, and the only pages here are our own.
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS, chromium_sandbox=False)
        try:
            yield browser
        finally:
            await browser.close()
