"""The HTTP application: every feature's routes, who may use them, health and metrics."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

from cloud.app import problems
from cloud.app.bodies import BodyRules
from cloud.app.gate import Gate, OnBehalf
from cloud.app.rules import API_PREFIX
from cloud.core.errors import Unavailable
from cloud.settings import CloudSettings
from cloud.web.problems import ProblemPages
from cloud.web.safety import BrowserSafety
from cloud.web.site import Site, build_site
from cloud.wiring import Cloud, build

API = API_PREFIX


def create_app(cloud: Cloud, site: Site | None = None) -> FastAPI:
    """The application of a built cloud with its pages; it serves nothing until the database is open."""
    site, gate = site or build_site(cloud), Gate(cloud)
    app = FastAPI(
        title="hallfleet",
        version="1.0",  # of the interface (v1), not of the program
        docs_url=None,  # they would load scripts from elsewhere
        redoc_url=None,
        responses=problems.RESPONSES,
        dependencies=[Depends(gate.check)],  # of every route, whoever adds it: rules.py says what it asks for
    )
    problems.install(app)
    for router in (*cloud.routers, *cloud.public_routers, site.api):
        app.include_router(router, prefix=API)
    app.include_router(site.pages_router)
    app.router.routes.append(site.assets)
    app.include_router(_health(cloud))
    app.include_router(_metrics(cloud))
    gate.open_for(app)
    app.add_middleware(BodyRules, json_below=API)
    app.add_middleware(ProblemPages, pages=site.pages)
    app.add_middleware(BrowserSafety, https=cloud.settings.is_https)
    app.add_middleware(OnBehalf)
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
