"""Problem documents as pages, for people whose browser asked for a page."""

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.web.login import login_address
from cloud.web.templating import Pages
from cloud.web.words import OTHER_PROBLEM, PROBLEMS

_DOCUMENT = "application/problem+json"


class ProblemPages:
    """Middleware: what would be a problem document becomes a page, or the way to the log-in.

    Programs (no ``text/html`` in ``Accept``) and fragments asked for by scripts get the document as it is.
    """

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and look at what comes back."""
        if scope["type"] != "http" or not wants_page(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = b""

        async def watch(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_document(message):
                start = message
            elif not start:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._page(scope, json.loads(body))(scope, receive, send)

        await self._app(scope, receive, watch)

    def _page(self, scope: Scope, problem: dict[str, Any]) -> Response:
        if problem["status"] == 401 and scope["method"] == "GET":
            return RedirectResponse(login_address(scope["path"]), 303)
        words = PROBLEMS.get(problem["status"], OTHER_PROBLEM)
        return self._pages.answer("problem.html", {"problem": problem, "words_here": words}, problem["status"])


def wants_page(headers: Headers) -> bool:
    """Whether a person waits for a page."""
    return "text/html" in headers.get("accept", "") and "hx-request" not in headers


def _is_document(message: Message) -> bool:
    return Headers(raw=message["headers"]).get("content-type", "").startswith(_DOCUMENT)
