"""The hall manager's page ``/halls/{hall}``: queue, counters, floor plan, proposals, alerts, the last hour."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, RedirectResponse

from cloud.core.callers import CALLER, Permission
from cloud.core.errors import Forbidden
from cloud.web.live import LiveHall
from cloud.web.reading import HallReader
from cloud.web.templating import Pages

Part = Literal["summary", "queue", "counters", "plan", "machines", "proposals", "alerts", "history"]
Wall = Annotated[bool, Query(description="the larger variant, to be read at 3 metres")]


def routes(pages: Pages, reader: HallReader) -> APIRouter:
    """The page and its parts, each of which fetches itself again when it changed."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def get_root() -> RedirectResponse:
        return RedirectResponse(first_page(reader), 307)

    @router.get("/halls/{hall}")
    async def get_hall(hall: str, wall: Wall = False) -> HTMLResponse:
        values = _values(await reader.live(hall), wall)
        return pages.answer("hall.html", {**values, "halls": reader.seen_halls(), "here": hall})

    @router.get("/halls/{hall}/parts/{part}")
    async def get_part(hall: str, part: Part, wall: Wall = False) -> HTMLResponse:
        return pages.answer(f"parts/{part}.html", _values(await reader.live(hall), wall))

    return router


def first_page(reader: HallReader) -> str:
    """The page that the caller's work begins on. Raises Forbidden for somebody without one."""
    if seen := reader.seen_halls():
        return f"/halls/{seen[0].id}"
    if CALLER.get().may(Permission.SEE_FAULTS):
        return "/crew"
    raise Forbidden("pages: none of your roles has one; an administrator can change that")


def _values(live: LiveHall, wall: bool) -> dict[str, Any]:
    return {"live": live, "wall": wall}
