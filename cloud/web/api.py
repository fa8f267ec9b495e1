"""``GET /halls/{hall}/live`` and ``GET /halls/{hall}/stream`` (below ``/api/v1``)."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import StreamingResponse

from cloud.web.live import LiveHall
from cloud.web.reading import HallReader
from cloud.web.stream import LiveStream
from cloud.web.streaming import event_stream

Revision = Annotated[str, Query(max_length=20, description="the id of the last event seen, when it cannot be a header")]
RevisionHeader = Annotated[str, Header(alias="Last-Event-ID", max_length=20)]


def routes(reader: HallReader, stream: LiveStream) -> APIRouter:
    """The snapshot that pages start from, and what changed since."""
    router = APIRouter(tags=["live"])

    @router.get("/halls/{hall}/live")
    async def get_live(hall: str) -> LiveHall:
        """The whole hall at one moment."""
        return await reader.live(hall)

    @router.get("/halls/{hall}/stream", response_class=StreamingResponse)
    async def get_stream(hall: str, last_event_id: Revision = "", header: RevisionHeader = "") -> StreamingResponse:
        """Server-sent events: ``changed`` (id = revision, data = names of changed parts) and ``beat``."""
        reader.profile(hall)
        return event_stream(stream, [hall], header or last_event_id)

    return router
