"""The cookies: out of reach of scripts, sent to this host alone, and by https only where there is https."""

from starlette.requests import Request
from starlette.responses import Response

SESSION, SIGN_ON = "hallfleet_session", "hallfleet_sign_on"


def session_of(request: Request, https: bool) -> str:
    """The id of the browser's session, empty when it has none."""
    return request.cookies.get(_name(SESSION, request, https), "")


def sign_on_of(request: Request, https: bool) -> str:
    """What a browser keeps while its person is at the identity provider."""
    return request.cookies.get(_name(SIGN_ON, request, https), "")


def keep(response: Response, request: Request, https: bool, name: str, value: str, for_s: float) -> None:
    """Give the browser a cookie."""
    secure = is_secure(request, https)
    response.set_cookie(
        _name(name, request, https), value, max_age=int(for_s), path="/", httponly=True, samesite="lax", secure=secure
    )


def drop(response: Response, request: Request, https: bool, name: str) -> None:
    """Take it away."""
    secure = is_secure(request, https)
    response.delete_cookie(_name(name, request, https), path="/", httponly=True, samesite="lax", secure=secure)


def is_secure(request: Request, https: bool) -> bool:
    """Whether the browser came, or comes through a proxy, by https."""
    return https or request.url.scheme == "https"


def _name(name: str, request: Request, https: bool) -> str:
    # The prefix makes browsers refuse a cookie that another host of the domain, or a page without TLS, wants to plant.
    return f"__Host-{name}" if is_secure(request, https) else name
