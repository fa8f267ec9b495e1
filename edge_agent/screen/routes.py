"""The HTTP side of the screen: JSON, server-sent events, and the pages beside this file."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from device_profiles.messages.body import first_problem
from edge_agent.errors import LocalRefusal
from edge_agent.screen.desk import ScreenDesk
from edge_agent.screen.pages import page_routes

LARGEST_BODY = 4096
STATUS = {"unknown_service": 404, "unknown_item": 404, "busy": 409, "no_question": 409, "no_media": 409}
UNAVAILABLE = 503
ORIGINS = ["127.0.0.1", "localhost", "[::1]"]

BodyModel = TypeVar("BodyModel", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TicketWish(_Body):
    """``visit`` is made by the page when the citizen comes to the screen: a second tap sends the same one."""

    service: str = Field(min_length=1, max_length=40)
    visit: str = Field(min_length=8, max_length=64, pattern=r"^[\x21-\x7e]+$")
    with_card: bool = False


class SessionWish(_Body):
    """A journey to begin."""

    item: str = Field(min_length=1, max_length=60)


class Answer(_Body):
    """The option that was touched."""

    option: str = Field(min_length=1, max_length=40)


class BadRequest(Exception):
    """The request's body is not what the path takes; answered with ``status``."""

    def __init__(self, detail: str, status: int = 422) -> None:
        super().__init__(detail)
        self.status = status


def application(desk: ScreenDesk) -> Starlette:
    """The pages and their API. Only requests to this machine's own name are served."""

    async def state(request: Request) -> Response:
        return JSONResponse(await desk.state())

    async def stream(request: Request) -> Response:
        return StreamingResponse(_changes(desk), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def take_ticket(request: Request) -> Response:
        wish = await _read(request, TicketWish)
        return JSONResponse(await desk.take_ticket(wish.service, wish.visit, with_card=wish.with_card), 201)

    async def start_session(request: Request) -> Response:
        return JSONResponse(await desk.start_session((await _read(request, SessionWish)).item), 201)

    async def answer(request: Request) -> Response:
        desk.answer((await _read(request, Answer)).option)
        return Response(status_code=204)

    routes: list[BaseRoute] = [
        Route("/api/state", state),
        Route("/api/stream", stream),
        Route("/api/tickets", take_ticket, methods=["POST"]),
        Route("/api/sessions", start_session, methods=["POST"]),
        Route("/api/answer", answer, methods=["POST"]),
        *page_routes(),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=ORIGINS)],
        exception_handlers={LocalRefusal: _refusal, BadRequest: _bad_request, HTTPException: _http},
    )


async def _changes(desk: ScreenDesk) -> AsyncIterator[bytes]:
    """The state now, and again whenever it has changed."""
    while True:
        state = await desk.state()
        text = json.dumps(state, ensure_ascii=False)
        yield f"event: state\nid: {state['revision']}\ndata: {text}\n\n".encode()
        await desk.board.wait_beyond(state["revision"])


async def _read(request: Request, model: type[BodyModel]) -> BodyModel:
    # JSON only: a form of another site's page in the same browser cannot send this type unasked.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise BadRequest("content-type: expected application/json", 415)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BadRequest(f"body: expected at most {LARGEST_BODY} bytes", 413)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise BadRequest(first_problem(error)) from error


Handler = Callable[[Request, Exception], Awaitable[Response]]


async def _refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, LocalRefusal):
        raise error
    status = STATUS.get(error.code, UNAVAILABLE)
    problem = {"type": f"urn:hallfleet:{error.code}", "title": error.en, "status": status, "code": error.code}
    return _problem(problem | {"zh": error.zh, "en": error.en}, status)


async def _bad_request(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, BadRequest) else 422
    problem = {"type": "urn:hallfleet:bad_request", "title": "Bad request", "status": status, "code": "bad_request"}
    return _problem(problem | {"detail": str(error)}, status)


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    status, title = error.status_code, HTTPStatus(error.status_code).phrase
    problem = {"type": "about:blank", "title": title, "status": status, "code": title.lower().replace(" ", "_")}
    return _problem(
        problem | {"detail": f"{request.method[:20]} {request.url.path[:100]}: {title}"}, status, error.headers
    )


def _problem(content: dict[str, object], status: int, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(content, status, headers, media_type="application/problem+json")
