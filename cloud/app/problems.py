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

from cloud.core.errors import HallfleetError, Unauthorised
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


# For every route: FastAPI then leaves out its own form of 422.
RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "A problem document (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}


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


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HallfleetError)
    if error.status == 500:
        log.error("%s: %s", error.code, error)
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, Unauthorised) else None
    return answer(Problem(title=error.title, status=error.status, code=error.code, detail=str(error)), headers)


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
    detail = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return answer(Problem(title=phrase, status=error.status_code, code=code, detail=detail), error.headers)


async def _store(_request: Request, error: Exception) -> JSONResponse:
    log.error("store: %s", error)
    detail = "the database does not answer now; nothing was changed"
    return answer(Problem(title="Not available now", status=503, code="unavailable", detail=detail))


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    # The server logs the error itself; its text may hold what must not leave.
    detail = "an error of the program; it is in the log"
    return answer(Problem(title="Internal error", status=500, code="internal_error", detail=detail))
