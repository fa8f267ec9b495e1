"""Puts the pages into an application: the one door that the composition root uses."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import Route

from cloud.web import acts, api, crew, hall, login, ticket
from cloud.web.acts import StaffActs
from cloud.web.assets import Assets
from cloud.web.reading import HallReader
from cloud.web.stream import LiveStream
from cloud.web.templating import Pages
from cloud.wiring import Cloud


@dataclass(frozen=True, slots=True)
class Site:
    """``api`` (below /api/v1) and ``staff`` are for staff, ``public`` and ``assets`` for everybody.

    ``stream.close()`` ends the streams of all browsers: do it before the server waits for its connections. The
    application as a whole goes into ``problems.ProblemPages`` (with ``pages``) and ``safety.BrowserSafety``.
    """

    pages: Pages
    stream: LiveStream
    api: APIRouter
    staff: APIRouter
    public: APIRouter
    assets: Route


def build_site(cloud: Cloud, stream: LiveStream | None = None) -> Site:
    """Every page of this cloud; from here on the stream hears of each commit."""
    assets = Assets()
    pages = Pages(assets)
    stream = stream or LiveStream(cloud.settings.halls)
    reader = HallReader(cloud.db, cloud.fleet, cloud.queues, cloud.alerts, cloud.dispatch, stream, cloud.clock)
    cloud.bus.after_commit(stream.hear)
    staff = APIRouter()
    staff.include_router(hall.routes(pages, reader))
    staff.include_router(crew.routes(pages, reader, stream))
    staff.include_router(acts.routes(StaffActs(cloud.db, cloud.alerts, cloud.dispatch, cloud.clock)))
    public = APIRouter()
    public.include_router(ticket.routes(pages, reader, stream))
    public.include_router(login.routes(pages, cloud.settings.staff_token.get_secret_value()))
    return Site(
        pages=pages,
        stream=stream,
        api=api.routes(reader, stream),
        staff=staff,
        public=public,
        assets=assets.route(),
    )
