"""Puts the pages into an application: the one door that the composition root uses."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import Route

from cloud.web import acts, api, crew, hall, login, ticket
from cloud.web.acts import StaffActs
from cloud.web.assets import Assets
from cloud.web.login import LogIn
from cloud.web.reading import HallReader
from cloud.web.stream import LiveStream
from cloud.web.templating import Pages
from cloud.wiring import Cloud


@dataclass(frozen=True, slots=True)
class Site:
    """``api`` goes below /api/v1; who may use which page stands in ``app.rules``.

    ``stream.close()`` ends the streams of all browsers: do it before the server waits for its connections. The
    application as a whole goes into ``problems.ProblemPages`` (with ``pages``) and ``safety.BrowserSafety``.
    """

    pages: Pages
    stream: LiveStream
    api: APIRouter
    pages_router: APIRouter
    assets: Route


def build_site(cloud: Cloud, stream: LiveStream | None = None) -> Site:
    """Every page of this cloud; from here on the stream hears of each commit."""
    assets = Assets()
    pages = Pages(assets)
    stream = stream or LiveStream(cloud.settings.halls)
    reader = HallReader(cloud.db, cloud.fleet, cloud.queues, cloud.alerts, cloud.dispatch, stream, cloud.clock)
    cloud.bus.after_commit(stream.hear)
    everything = APIRouter()
    everything.include_router(hall.routes(pages, reader))
    everything.include_router(crew.routes(pages, reader, stream))
    everything.include_router(acts.routes(StaffActs(cloud.db, cloud.alerts, cloud.dispatch, cloud.clock)))
    everything.include_router(ticket.routes(pages, reader, stream))
    everything.include_router(login.routes(LogIn(pages, cloud)))
    return Site(
        pages=pages,
        stream=stream,
        api=api.routes(reader, stream),
        pages_router=everything,
        assets=assets.route(),
    )
