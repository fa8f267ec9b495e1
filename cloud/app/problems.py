"""Every error as a problem document (RFC 9457): what went wrong, for people and for programs."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from cloud.app.rules import RULES, UNDECLARED, Of
from cloud.core.errors import HallfleetError, TooMany, Unauthorised
from device_profiles.errors import HallRuleError, MessageError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One part of a request that was not as expected. Never its value: it may be personal."""

    where: str
    what: str


class Problem(BaseModel):
    """A problem document. ``code`` is for programs and stays; ``detail`` is for people and may change."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    problems: list[FieldProblem] = Field(default_factory=list)


# For every route: FastAPI then leaves out its own form of 422. ``describe`` puts the statuses in its place.
RESPONSES: dict[int | str, dict[str, Any]] = {"default": {"description": "A problem document (RFC 9457)"}}
_WRITES = frozenset({"post", "put", "patch", "delete"})
MAY_BE_MISSING = frozenset({"/api/v1/enrolments/revocations"})  # there is nothing to name, and it may not be there yet


def install(app: FastAPI) -> None:
    """Turn every error of ``app`` into a problem document."""
    app.add_exception_handler(HallfleetError, _known)
    app.add_exception_handler(MessageError, _rule)
    app.add_exception_handler(HallRuleError, _rule)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(sa.exc.OperationalError, _store)
    app.add_exception_handler(Exception, _unexpected)


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """A problem as a response."""
    return JSONResponse(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)


def problem_of(error: HallfleetError) -> Problem:
    """An error of ours in the words of a problem."""
    return Problem(title=error.title, status=error.status, code=error.code, detail=str(error))


def describe(document: dict[str, Any]) -> None:
    """Write into an OpenAPI document which problems each operation may answer."""
    shapes = document.setdefault("components", {}).setdefault("schemas", {})
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    shapes.update(schema.pop("$defs", {}))
    shapes["Problem"] = schema
    for address, path in document["paths"].items():
        for method, operation in path.items():
            operation["responses"].pop("default", None)
            operation["responses"].update(
                {str(status): _described(status) for status in _statuses(address, method, operation)}
            )


def _statuses(address: str, method: str, operation: Mapping[str, Any]) -> list[int]:
    """What is asked with a parameter or a body may name what is not there; what changes something may conflict."""
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    found = {400, 503}
    rule = RULES.get(f"{method.upper()} {address}", UNDECLARED)
    found |= {401, 403} if rule.of is not Of.EVERYBODY else {429} if rule.limited else set()
    found |= {404, 422} if places or "requestBody" in operation else set()
    found |= {404} if address in MAY_BE_MISSING else set()
    found |= {403, 409, 413, 415} if method in _WRITES else set()
    found |= {412, 428} if method == "patch" else set()
    return sorted(found)


def _described(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HallfleetError)
    if error.status == 500:
        log.error("%s: %s", error.code, error)
    return answer(problem_of(error), _headers(error))


def _headers(error: HallfleetError) -> dict[str, str] | None:
    if isinstance(error, TooMany):
        return {"Retry-After": str(error.again_s)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorised) else None


async def _rule(_request: Request, error: Exception) -> JSONResponse:
    conflict = isinstance(error, HallRuleError)
    status, code = (409, "conflict") if conflict else (422, "invalid")
    return answer(Problem(title=HTTPStatus(status).phrase, status=status, code=code, detail=str(error)))


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems = [
        FieldProblem(where=".".join(str(part) for part in found["loc"]), what=str(found["msg"]))
        for found in error.errors()
    ]
    detail = f"{problems[0].where}: {problems[0].what}" if problems else "the request is not as expected"
    return answer(Problem(title="Invalid request", status=422, code="invalid", detail=detail, problems=problems))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "_").replace("'", "")
    detail = f"{request.method[:20]} {request.url.path[:200]}: {error.detail}"
    headers = _allowed(request) if error.status_code == 405 else error.headers
    return answer(Problem(title=phrase, status=error.status_code, code=code, detail=detail), headers)


def _allowed(request: Request) -> dict[str, str]:
    """All methods of an address: a route knows its own only, and GET and POST of one address are two routes."""
    routes = request.app.routes
    found = [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return {"Allow": ", ".join(found)}


async def _store(_request: Request, error: Exception) -> JSONResponse:
    log.error("store: %s", error)
    detail = "the database does not answer now; nothing was changed"
    return answer(Problem(title="Not available now", status=503, code="unavailable", detail=detail))


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    # The server logs the error itself; its text may hold what must not leave.
    detail = "an error of the program; it is in the log"
    return answer(Problem(title="Internal error", status=500, code="internal_error", detail=detail))
