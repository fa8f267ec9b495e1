"""Pictures of the pages of a real demo hall in Chromium: ``python -m scripts.screenshots FOLDER [SECONDS]``.

``docs/images/manager.png`` is the file ``manager.png`` of such a run.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

import httpx

from simulators.demo.plan import Plan, make_plan
from simulators.demo.run import new_run
from tests.servers import chromium

RUSH, RUSH_FOR, DISPATCH_S = 8, "social-insurance", 3.0  # enough to make a proposal
WIDTHS = {"manager": (1600, 1560), "crew": (412, 900), "ticket": (412, 860), "screen": (1280, 1024)}


async def main(folder: Path, seconds: float) -> None:
    """Let the people of the demo hall live for ``seconds``, then take one picture per kind of user."""
    with tempfile.TemporaryDirectory() as data:
        plan = make_plan(Path(data), hall_id="demo-hall", port=0, seed=3, speed=20.0, dispatch_interval_s=DISPATCH_S)
        hall = new_run(plan)
        try:
            print(f"ready in {await hall.start():.1f} s", flush=True)
            await asyncio.sleep(seconds)
            for machine, slot, button in (("ticket-2", "printer", "paper_out"), ("kiosk-1", "printer", "open_cover")):
                url = f"{plan.control_url}/machines/{machine}/slots/{slot}/press/{button}"
                (await hall.http.post(url, json={})).raise_for_status()
            tokens = [await _take_ticket(hall.http, plan, number) for number in range(RUSH)]
            await asyncio.sleep(2 * DISPATCH_S)
            pages = {
                "manager": f"{plan.cloud_url}/halls/{plan.hall.id}",
                "crew": f"{plan.cloud_url}/crew",
                "ticket": f"{plan.cloud_url}/t/{tokens[-1]}",
                "screen": f"{plan.screen_url('ticket-1')}/",
            }
            await _take(pages, folder)
        finally:
            await hall.stop()


async def _take_ticket(http: httpx.AsyncClient, plan: Plan, number: int) -> str:
    """One more for a service whose counters are busy; returns the ticket's token."""
    wish = {"service": RUSH_FOR, "visit": f"picture-{number}"}
    answer = await http.post(f"{plan.screen_url('ticket-1')}/api/tickets", json=wish, timeout=30)
    return str(answer.raise_for_status().json()["token"])


async def _take(pages: dict[str, str], folder: Path) -> None:
    async with chromium.launch() as browser:
        for name, address in pages.items():
            width, height = WIDTHS[name]
            page = await browser.new_page(viewport={"width": width, "height": height}, locale="zh-CN")
            await page.goto(address)
            await page.wait_for_timeout(1500)  # charts draw, the stream says its first word
            await page.screenshot(path=folder / f"{name}.png")
            print(f"{name}: {address}", flush=True)
            await page.close()


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 60.0))
