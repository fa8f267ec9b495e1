"""The citizen's page ``/t/{token}``: what the code on a ticket opens. Holds nothing about the person."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, StreamingResponse

from cloud.core.errors import NotFound
from cloud.queues.model import Position
from cloud.web.language import chinese_first
from cloud.web.reading import HallReader
from cloud.web.stream import LiveStream
from cloud.web.streaming import event_stream, last_event_id
from cloud.web.templating import Pages, minutes
from cloud.web.words import NEXT, TICKETS, Word

# The address holds the token: it goes to nobody, and no search engine keeps it.
PRIVATE = {"X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True, slots=True)
class SeenTicket:
    """A ticket in the words of the page."""

    number: str
    state: str
    words: Word
    title: str
    next_zh: str
    next_en: str
    service_zh: str
    service_en: str
    counter: int | None
    people_ahead: int | None
    low_min: int | None
    high_min: int | None


def routes(pages: Pages, reader: HallReader, stream: LiveStream) -> APIRouter:
    """The page, its changing part, and its stream of changes."""
    router = APIRouter(include_in_schema=False)

    async def show(template: str, token: str, request: Request) -> HTMLResponse:
        position = await reader.position(token)
        first = chinese_first(request)
        answer = pages.answer(template, _values(position, token, first))
        answer.headers.update(PRIVATE)
        return answer

    @router.get("/t/{token}")
    async def get_ticket(token: str, request: Request) -> HTMLResponse:
        try:
            return await show("ticket.html", token, request)
        except NotFound:
            answer = pages.answer("ticket_unknown.html", {}, 404)
            answer.headers.update(PRIVATE)
            return answer

    @router.get("/t/{token}/part")
    async def get_part(token: str, request: Request) -> HTMLResponse:
        return await show("parts/ticket.html", token, request)

    @router.get("/t/{token}/stream")
    async def get_stream(token: str, request: Request) -> StreamingResponse:
        position = await reader.position(token)
        return event_stream(stream, [position.ticket.hall], last_event_id(request), only={"tickets"})

    return router


def seen(position: Position) -> SeenTicket:
    """A position in the words of the page."""
    state = str(position.ticket.state)
    word, then = TICKETS[state], NEXT.get(state, Word("", ""))
    estimate = position.estimate
    return SeenTicket(
        number=position.ticket.number,
        state=state,
        words=word,
        title=f"{position.counter_number} 号窗口" if state == "called" else word.zh,
        next_zh=then.zh,
        next_en=then.en,
        service_zh=position.service.name_zh,
        service_en=position.service.name_en,
        counter=position.counter_number,
        people_ahead=position.people_ahead,
        low_min=None if estimate is None else minutes(estimate.low_s),
        high_min=None if estimate is None else max(1, minutes(estimate.high_s)),
    )


def _values(position: Position, token: str, first: bool) -> dict[str, Any]:
    return {
        "seen": seen(position),
        "token": token,
        "chinese_first": first,
        "lang": "zh-Hans" if first else "en",
    }
