"""A stream of changes as an HTTP answer."""

from collections.abc import Collection

from starlette.requests import Request
from starlette.responses import StreamingResponse

from cloud.web.stream import PARTS, LiveStream

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def event_stream(
    stream: LiveStream, halls: Collection[str], last_event_id: str, only: Collection[str] = PARTS
) -> StreamingResponse:
    """Server-sent events about these halls, only of the named parts; ends when the browser goes or the cloud stops."""
    events = stream.events(halls, last_event_id, frozenset(only))
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


def last_event_id(request: Request) -> str:
    """The revision that the browser saw last; a page that connects anew sends it in the address."""
    return request.headers.get("last-event-id") or request.query_params.get("last_event_id", "")
