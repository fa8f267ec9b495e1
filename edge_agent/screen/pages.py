"""The screen's page, its scripts, and the stylesheet that it shares with the cloud's pages."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from edge_agent.errors import AgentError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def page_routes() -> list[BaseRoute]:
    """Everything that a browser on this machine loads."""
    room = files("edge_agent.screen")
    scripts = [entry for entry in room.joinpath("static").iterdir() if entry.name.endswith(".js")]
    if not scripts:
        raise AgentError("screen: expected scripts beside the page, found none; is the package whole?")
    return [
        _route("/", room.joinpath("templates", "index.html").read_bytes(), "text/html; charset=utf-8"),
        _route(
            "/static/hallfleet.css",
            files("device_profiles").joinpath("design", "hallfleet.css").read_bytes(),
            "text/css; charset=utf-8",
        ),
        *(
            _route(f"/static/{script.name}", script.read_bytes(), "text/javascript; charset=utf-8")
            for script in scripts
        ),
    ]


def _route(path: str, content: bytes, kind: str) -> Route:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=kind, headers=HEADERS)

    return Route(path, answer)
