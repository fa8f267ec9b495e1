"""The gate: finds out who asks, whether that caller may, and in which halls. Every route stands behind it."""

import hmac
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud.access.service.keys import Held
from cloud.app.halls import HallFinder
from cloud.app.limits import Bucket
from cloud.app.rules import RULES, UNDECLARED, Of, Rule
from cloud.core.actors import CURRENT, Actor
from cloud.core.callers import ALL_HALLS, CALLER, EVERYWHERE, REACH, STILL_HERE, Caller, Permission, Reach
from cloud.core.errors import Forbidden, Forged, HallfleetError, NotFound, Unauthorised
from cloud.web.cookies import session_of
from cloud.wiring import Cloud
from device_profiles.configuration import is_loopback

READS = frozenset({"GET", "HEAD", "OPTIONS"})
LOG_INS = frozenset({"POST /login", "GET /login/openid", "GET /login/openid/back"})
LOG_INS_PER_S, LOG_INS_AT_ONCE = 0.5, 30  # a hall's clerks come at eight, all of them, through one address
BURST_S = 10
EVERYTHING = Caller(Actor("person", "demo"), "Demo", dict.fromkeys(Permission, frozenset({ALL_HALLS})))


class Gate:
    """One of a kind per application. ``open_for`` is told the routes when all are there."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._keys = cloud.access.keys
        self._halls = HallFinder(cloud)
        self._rules: dict[int, dict[str, tuple[str, Rule]]] = {}
        rate = cloud.settings.public_requests_per_s
        self._public = Bucket(rate, rate * BURST_S, time.monotonic)
        self._log_ins = Bucket(LOG_INS_PER_S, LOG_INS_AT_ONCE, time.monotonic)

    def open_for(self, app: FastAPI) -> None:
        """Learn the rule of every route."""
        for method, path, route in routes_of(app):
            name = f"{method} {path}"
            self._rules.setdefault(id(route), {})[method] = (name, RULES.get(name, UNDECLARED))

    async def check(self, request: Request) -> None:
        """The dependency of every route. Raises Unauthorised, Forbidden, Forged, NotFound, TooMany."""
        method = "GET" if request.method == "HEAD" else request.method
        name, rule = self._rules.get(id(request.scope["route"]), {}).get(method, ("", UNDECLARED))
        if rule.of is Of.EVERYBODY:
            self._limit(request, name, rule)
            return
        held, caller = await self._recognise(request)
        CURRENT.set(caller.actor)
        CALLER.set(caller)
        if request.method not in READS and held is not None and caller.csrf:
            await _check_form(request, caller)
        reach = _reach(rule, caller)
        REACH.set(reach)
        if rule.parameter or rule.of is Of.SENT_MACHINE:
            await self._check_hall(request, rule, reach)
        STILL_HERE.set(lambda: self._still_here(request, rule, reach))

    def _limit(self, request: Request, name: str, rule: Rule) -> None:
        if rule.limited:
            self._public.take(address_of(request))
        if name in LOG_INS:
            self._log_ins.take(address_of(request))

    async def _recognise(self, request: Request) -> tuple[Held | None, Caller]:
        if self._cloud.settings.demo:
            self._check_host(request)
            return None, EVERYTHING
        held = await self._holder(request)
        if held is None:
            raise Unauthorised("expected a log-in, or an API token as `Authorization: Bearer ...`")
        if held.stale:
            note = self._keys.note_seen if held.caller.actor.kind == "person" else self._keys.note_used
            await self._cloud.db.write(lambda tx: note(tx, held.digest))
        return held, held.caller

    def _check_host(self, request: Request) -> None:
        """Without a log-in, another site's name for this computer would be a way in for that site's scripts."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if not is_loopback(host) and host != urlsplit(self._cloud.settings.public_address).hostname:
            raise Forbidden(f"demo: expected this computer's own address (127.0.0.1), got the host {host[:80]!r}")

    async def _holder(self, request: Request) -> Held | None:
        shown = request.headers.get("authorization", "")
        if shown:
            scheme, _, token = shown.partition(" ")
            if scheme.lower() != "bearer":
                return None
            return await self._cloud.db.read(lambda conn: self._keys.holder_of_token(conn, token.strip()))
        session = session_of(request, self._cloud.settings.is_https)
        if not session:
            return None
        return await self._cloud.db.read(lambda conn: self._keys.holder_of_session(conn, session))

    async def _check_hall(self, request: Request, rule: Rule, reach: Reach) -> None:
        if reach.everywhere:
            return  # the route itself knows what is not there
        name = await _sent_machine(request) if rule.of is Of.SENT_MACHINE else request.path_params[rule.parameter]
        if name is None:
            return  # the route itself says what is wrong with the body
        found = await self._halls.find(rule.of, name)
        if not found & reach.halls:
            # The same words for what does not exist and for what another hall has.
            raise NotFound(f"{rule.of} {name[:80]!r}: there is none with this id in a hall of yours")

    async def _still_here(self, request: Request, rule: Rule, reach: Reach) -> bool:
        if self._cloud.settings.demo:
            return True
        held = await self._holder(request)
        try:
            return held is not None and _reach(rule, held.caller).halls >= reach.halls
        except HallfleetError:
            return False


class OnBehalf:
    """Middleware: what a request finds out about its sender is forgotten when it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        variables: tuple[ContextVar[Any], ...] = (CURRENT, CALLER, REACH, STILL_HERE)
        kept = [(variable, variable.set(variable.get())) for variable in variables]
        try:
            await self._app(scope, receive, send)
        finally:
            for variable, token in kept:
                variable.reset(token)


def routes_of(app: FastAPI) -> list[tuple[str, str, BaseRoute]]:
    """Method, address and route of everything that the application answers; HEAD goes with GET."""
    return [
        (method, str(context.path), context.original_route)
        for context in iter_route_contexts(app.routes)
        for method in sorted((context.methods or set()) - {"HEAD"})
    ]


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return "" if request.client is None else request.client.host


def _reach(rule: Rule, caller: Caller) -> Reach:
    if rule.permission is None:
        return EVERYWHERE if rule.of is Of.EVERYBODY else Reach()
    reach = Reach(caller.rights.get(rule.permission, frozenset()))
    if not reach.halls or (rule.of is Of.FLEET and not reach.everywhere):
        where = " in all halls" if rule.of is Of.FLEET else ""
        raise Forbidden(f"expected the permission {rule.permission}{where}, which none of your roles has")
    return reach


async def _check_form(request: Request, caller: Caller) -> None:
    """A browser's write brings back what only this session's own pages hold."""
    shown = request.headers.get("x-csrf-token", "")
    if not shown and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        field = (await request.form()).get("csrf", "")
        shown = field if isinstance(field, str) else ""
    if not hmac.compare_digest(shown.encode(), caller.csrf.encode()):
        raise Forged("csrf: expected the value that this session's pages hold, as a field or as X-CSRF-Token")


async def _sent_machine(request: Request) -> str | None:
    body: object = await request.json()
    name = body.get("machine") if isinstance(body, Mapping) else None
    return name if isinstance(name, str) else None
