"""What keeps a browser from being turned against its user: strict headers, and no writes from other sites."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # "no-referrer" would make browsers send Origin: null with our own forms
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# A year, as browsers' lists want it; said by https only (RFC 6797 section 7.2).
STRICT_TRANSPORT = "max-age=31536000"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class BrowserSafety:
    """Middleware around the whole application. Programs that send no ``Origin`` are not browsers and pass.

    ``https``: people reach this process through something that speaks it.
    """

    def __init__(self, app: ASGIApp, https: bool = False) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a write that another site's page asks for; add the headers to everything else."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] not in _READS and not from_here(Headers(scope=scope)):
            await _refusal()(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._https or scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def from_here(headers: Headers) -> bool:
    """Whether a write comes from a page of this very host, or from no browser at all."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _refusal() -> JSONResponse:
    problem = {
        "type": "about:blank",
        "title": "Not allowed",
        "status": 403,
        "code": "other_origin",
        "detail": "a page of another site may not change anything here; use this site's own page",
    }
    return JSONResponse(problem, 403, media_type="application/problem+json")
