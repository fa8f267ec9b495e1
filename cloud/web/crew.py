"""The crew's page ``/crew``: the open faults of all halls, newest first, for one hand on a phone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, StreamingResponse

from cloud.core.callers import Permission
from cloud.web.live import LiveAlert, LiveHall, LiveMachine
from cloud.web.reading import HallReader
from cloud.web.stream import LiveStream
from cloud.web.streaming import event_stream, last_event_id
from cloud.web.templating import Pages


@dataclass(frozen=True, slots=True)
class Fault:
    """One open alert and where to go."""

    alert: LiveAlert
    hall_zh: str
    timezone: str
    hall: str
    machine_zh: str
    place_zh: str
    place_en: str


def routes(pages: Pages, reader: HallReader, stream: LiveStream) -> APIRouter:
    """The page, its changing part, and its stream over all halls."""
    router = APIRouter(include_in_schema=False)

    async def values() -> dict[str, Any]:
        halls = [await reader.live(hall.id) for hall in reader.seen_halls(Permission.SEE_FAULTS)]
        faults = sorted((fault for hall in halls for fault in faults_of(hall)), key=_newest_first)
        return {"faults": faults, "now": reader.now(), "halls": reader.seen_halls(), "here": "crew"}

    @router.get("/crew")
    async def get_crew() -> HTMLResponse:
        return pages.answer("crew.html", await values())

    @router.get("/crew/parts/faults")
    async def get_faults() -> HTMLResponse:
        return pages.answer("parts/faults.html", await values())

    @router.get("/crew/stream")
    async def get_stream(request: Request) -> StreamingResponse:
        halls = [hall.id for hall in reader.seen_halls(Permission.SEE_FAULTS)]
        return event_stream(stream, halls, last_event_id(request), only={"alerts"})

    return router


def faults_of(hall: LiveHall) -> Iterator[Fault]:
    """The open alerts of a hall with the machine's place in words."""
    machines = {machine.id: machine for machine in hall.machines}
    for alert in hall.alerts:
        machine = machines.get(alert.machine)
        zh, en = ("", "") if machine is None else _place(hall, machine)
        yield Fault(alert, hall.name_zh, hall.timezone, hall.hall, "" if machine is None else machine.name_zh, zh, en)


def _place(hall: LiveHall, machine: LiveMachine) -> tuple[str, str]:
    counter = next((counter for counter in hall.counters if counter.machine == machine.id), None)
    if counter is not None:
        return f"{counter.number} 号窗口", f"counter {counter.number}"
    row, row_en = ("前区", "near the entrance") if machine.y > hall.depth_m / 2 else ("后区", "far from the entrance")
    thirds = [("左侧", "left"), ("中间", "middle"), ("右侧", "right")]
    side, side_en = thirds[min(2, int(3 * machine.x / hall.width_m))]
    return f"{row}{side}", f"{row_en}, {side_en}"


def _newest_first(fault: Fault) -> tuple[float, str]:
    return (-fault.alert.opened_at.timestamp(), fault.alert.id)
