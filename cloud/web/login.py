"""``/login``: staff show the token once; the browser then carries it in a cookie that scripts cannot read."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from cloud.core.access import COOKIE, is_staff
from cloud.web.templating import Pages

A_SHIFT_S = 12 * 3600
HERE = r"^/[A-Za-z0-9-]*(/[A-Za-z0-9-]+)*$"  # never //host or another scheme
Next = Annotated[str, Query(max_length=200, pattern=HERE)]
NextField = Annotated[str, Form(alias="next", max_length=200, pattern=HERE)]
Token = Annotated[str, Form(max_length=200)]


def routes(pages: Pages, token: str) -> APIRouter:
    """The form, and what it does. Without a token everybody is staff already."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def get_login(next: Next = "/") -> Response:
        return pages.answer("login.html", {"next": next, "refused": False})

    @router.post("/login")
    async def post_login(request: Request, shown: Token, next: NextField = "/") -> Response:
        if not is_staff(token, "", shown):
            return pages.answer("login.html", {"next": next, "refused": True}, 401)
        answer = RedirectResponse(next, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, shown, A_SHIFT_S, httponly=True, samesite="lax", secure=secure)
        return answer

    return router


def login_address(path: str) -> str:
    """Where to log in on the way to ``path``."""
    return f"/login?next={quote(path)}"
