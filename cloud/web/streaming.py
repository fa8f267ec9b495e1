"""A stream of changes as an HTTP answer."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import StreamingResponse

from cloud.core.callers import STILL_HERE
from cloud.web.stream import PARTS, LiveStream

ASKED_EVERY_S = 5.0
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_stream(
    stream: LiveStream, halls: Collection[str], last_event_id: str, only: Collection[str] = PARTS
) -> StreamingResponse:
    """Server-sent events about these halls, only of the named parts.

    It ends when the browser goes, the cloud stops, or the log-in that opened it is over.
    """
    events = _while_here(stream.events(halls, last_event_id, frozenset(only)), STILL_HERE.get())
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


async def _while_here(
    events: AsyncGenerator[str, None], still_here: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[str, None]:
    asked = time.monotonic()
    async with aclosing(events):
        async for event in events:
            if time.monotonic() - asked >= ASKED_EVERY_S:
                if not await still_here():
                    return
                asked = time.monotonic()
            yield event


def last_event_id(request: Request) -> str:
    """The revision that the browser saw last; a page that connects anew sends it in the address."""
    return request.headers.get("last-event-id") or request.query_params.get("last_event_id", "")
