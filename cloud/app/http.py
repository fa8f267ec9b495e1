"""The HTTP application: every feature's routes, who may use them, health and metrics."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

from cloud.app import problems
from cloud.app.bodies import BodyRules
from cloud.core.access import COOKIE, is_staff
from cloud.core.errors import Unauthorised, Unavailable
from cloud.settings import CloudSettings
from cloud.web.problems import ProblemPages
from cloud.web.safety import BrowserSafety
from cloud.web.site import Site, build_site
from cloud.wiring import Cloud, build

API = "/api/v1"


def create_app(cloud: Cloud, site: Site | None = None) -> FastAPI:
    """The application of a built cloud with its pages; it serves nothing until the database is open."""
    site = site or build_site(cloud)
    app = FastAPI(
        title="hallfleet",
        version="1.0",  # of the interface (v1), not of the program
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    problems.install(app)
    staff = Depends(_staff_of(cloud))
    for router in cloud.routers:
        app.include_router(router, prefix=API, dependencies=[staff])
    for router in cloud.public_routers:
        app.include_router(router, prefix=API)
    app.include_router(site.api, prefix=API, dependencies=[staff])
    app.include_router(site.staff, dependencies=[staff])
    app.include_router(site.public)
    app.router.routes.append(site.assets)
    app.include_router(_health(cloud))
    app.include_router(_metrics(cloud), dependencies=[staff])
    app.add_middleware(BodyRules, json_below=API)
    app.add_middleware(ProblemPages, pages=site.pages)
    app.add_middleware(BrowserSafety)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document of all routes, made without a running cloud."""

    async def describe() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="hallfleet-openapi-") as folder:
            cloud = build(CloudSettings(data_dir=Path(folder)))
            try:
                return create_app(cloud).openapi()
            finally:
                await cloud.telemetry.close()
                cloud.db.dispose()

    return asyncio.run(describe())


def _staff_of(cloud: Cloud) -> Any:
    token = cloud.settings.staff_token.get_secret_value()

    async def check_staff(request: Request) -> None:
        if not is_staff(token, request.headers.get("authorization", ""), request.cookies.get(COOKIE, "")):
            raise Unauthorised("expected the staff token as `Authorization: Bearer ...` or in the cookie of a log-in")

    return check_staff


def _health(cloud: Cloud) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    async def get_healthz() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    async def get_readyz() -> JSONResponse:
        await cloud.db.read(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
        if not cloud.link.connected.is_set():
            raise Unavailable(f"broker {cloud.settings.broker}: not connected")
        return JSONResponse({"status": "ready"})

    @routes.get("/docs")
    async def get_docs() -> RedirectResponse:
        return RedirectResponse("/openapi.json")

    return routes


def _metrics(cloud: Cloud) -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/metrics")
    async def get_metrics() -> PlainTextResponse:
        for probe in cloud.probes:
            await probe()
        return PlainTextResponse(cloud.metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return routes


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        problems.describe(FastAPI.openapi(app))
    return app.openapi_schema or {}
