"""What browser tests may ask for: a house with pages, and a page that listens for what must never happen."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, Page

from cloud.access.model import Role
from tests.builders.clouds import HALL
from tests.builders.page_house import PageHouse, open_house
from tests.builders.people import add_person
from tests.builders.screen_house import ScreenHouse, open_screen

DESK = {"width": 1920, "height": 1080}
PHONE = {"width": 360, "height": 740}
KIOSK = {"width": 1280, "height": 1024}
TOTEM = {"width": 1080, "height": 1920}


@pytest.fixture
async def house(tmp_path: Path, free_port: int) -> AsyncIterator[PageHouse]:
    async with open_house(tmp_path, free_port) as opened:
        yield opened


@pytest.fixture
async def evil_house(tmp_path: Path, free_port: int, repo_root: Path) -> AsyncIterator[PageHouse]:
    """The demo hall with scripts for names."""
    profile = (repo_root / "device_profiles" / "halls" / "demo-hall.toml").read_text("utf-8")
    halls = tmp_path / "profiles" / "halls"
    halls.mkdir(parents=True)
    for name in ("示范区政务服务中心", "Demonstration Service Hall", "户籍业务", "Household registration", "林晓禾"):
        profile = profile.replace(name, f"{name}<img src=x onerror=window.ran=1>")
    (halls / "evil-hall.toml").write_text(profile, "utf-8")
    async with open_house(tmp_path, free_port, "evil-hall") as opened:
        yield opened


@pytest.fixture
async def guarded_house(tmp_path: Path, free_port: int) -> AsyncIterator[PageHouse]:
    """A house where people log in: ``chief`` the administrator, ``mender`` of the crew, ``lin`` at the counters."""
    async with open_house(tmp_path, free_port, demo=False) as opened:
        await add_person(opened.cloud, "chief", Role.ADMINISTRATOR)
        await add_person(opened.cloud, "mender", Role.CREW, HALL)
        await add_person(opened.cloud, "lin", Role.COUNTER_STAFF, HALL)
        yield opened


@dataclass
class Visitor:
    """Opens pages and notes every word on the console, every failed script, every request to another host."""

    browser: Browser
    complaints: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    contexts: list[BrowserContext] = field(default_factory=list)

    async def open(self, url: str, size: dict[str, int] = DESK, **options: object) -> Page:
        context = await self.browser.new_context(viewport=size, reduced_motion="reduce", **options)  # type: ignore[arg-type]
        self.contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        await page.goto(url)
        return page

    def saw_nothing_wrong(self) -> None:
        assert not self.complaints
        assert self.hosts <= {"127.0.0.1", ""}, f"requests left this machine: {self.hosts}"


@pytest.fixture
async def visitor(browser: Browser) -> AsyncIterator[Visitor]:
    visiting = Visitor(browser)
    yield visiting
    for context in visiting.contexts:
        await context.close()


@pytest.fixture(scope="session")
def screenshots(repo_root: Path) -> Path:
    folder = repo_root / "out" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
async def ticket_screen(tmp_path: Path, free_port: int) -> AsyncIterator[ScreenHouse]:
    async with open_screen("ticket-machine", tmp_path, free_port) as opened:
        yield opened


@pytest.fixture
async def journey_screen(tmp_path: Path, free_port: int) -> AsyncIterator[ScreenHouse]:
    async with open_screen("endorsement-machine", tmp_path, free_port) as opened:
        yield opened
