"""Puts the pages into an application: the one door that the composition root uses."""

from fastapi import FastAPI

from cloud.web import acts, api, crew, hall, ticket
from cloud.web.acts import StaffActs
from cloud.web.assets import Assets
from cloud.web.reading import HallReader
from cloud.web.safety import BrowserSafety
from cloud.web.stream import LiveStream
from cloud.web.templating import Pages

API = "/api/v1"


def install(app: FastAPI, reader: HallReader, stream: LiveStream, staff: StaffActs) -> None:
    """Add every page, the live snapshot and stream, the assets, and what keeps browsers safe."""
    assets = Assets()
    pages = Pages(assets)
    app.router.routes.append(assets.route())
    app.include_router(api.routes(reader, stream), prefix=API)
    app.include_router(hall.routes(pages, reader))
    app.include_router(crew.routes(pages, reader, stream))
    app.include_router(ticket.routes(pages, reader, stream))
    app.include_router(acts.routes(staff))
    app.add_middleware(BrowserSafety)
