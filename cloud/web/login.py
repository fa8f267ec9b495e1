"""``/login``: with a password or at the identity provider; the browser then holds a session. ``/logout``."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from cloud.access.service import NotVouchedFor, Refused
from cloud.core.errors import Forbidden, HallfleetError, NotFound, TooMany, Unavailable
from cloud.settings import CloudSettings
from cloud.web import cookies
from cloud.web.templating import Pages
from cloud.web.words import LOG_IN, Word
from cloud.wiring import Access, Cloud

SIGN_ON_S = 600
BACK = "/login/openid/back"
HERE = r"^/[A-Za-z0-9-]*(/[A-Za-z0-9-]+)*$"  # never //host or another scheme
Next = Annotated[str, Query(max_length=200, pattern=HERE)]
NextField = Annotated[str, Form(alias="next", max_length=200, pattern=HERE)]
Name = Annotated[str, Form(max_length=80)]
Password = Annotated[str, Form(max_length=256)]
FromProvider = Annotated[str, Query(max_length=4096)]


class LogIn:
    """What the pages of the log-in do."""

    def __init__(self, pages: Pages, cloud: Cloud) -> None:
        self._pages = pages
        self._settings: CloudSettings = cloud.settings
        self._access: Access = cloud.access
        self._db = cloud.db

    def form(self, way_on: str, error: HallfleetError | None = None) -> Response:
        """The page, with what went wrong last time. It says the same for any wrong name or password."""
        refused: Word | None = None if error is None else LOG_IN.get(error.code, LOG_IN["refused"])
        values = {
            "next": way_on,
            "refused": refused,
            "again_s": error.again_s if isinstance(error, TooMany) else 0,
            "passwords": self._settings.password_log_in,
            "openid": self._access.sign_on is not None,
        }
        answer = self._pages.answer("login.html", values, 200 if error is None else error.status)
        if isinstance(error, TooMany):
            answer.headers["Retry-After"] = str(error.again_s)
        return answer

    async def with_password(self, request: Request, name: str, password: str, way_on: str) -> Response:
        """Try a name and a password."""
        if not self._settings.password_log_in:
            raise NotFound("log-in: people come by the identity provider only")
        address = "" if request.client is None else request.client.host
        try:
            session = await self._access.door.log_in(name, password, address)
        except (Refused, TooMany) as error:
            return self.form(way_on, error)
        return await self._let_in(request, session, way_on)

    async def to_provider(self, request: Request, way_on: str) -> Response:
        """Send the browser to the identity provider."""
        if self._access.sign_on is None:
            raise NotFound("log-in: no identity provider is set")
        try:
            begun = await self._access.sign_on.begin(self._back(), way_on)
        except Unavailable as error:
            return self.form(way_on, error)
        answer = RedirectResponse(begun.address, 303, {"Cache-Control": "no-store"})
        cookies.keep(answer, request, self._settings.is_https, cookies.SIGN_ON, begun.browser, SIGN_ON_S)
        return answer

    async def from_provider(self, request: Request, state: str, code: str, issuer: str) -> Response:
        """The browser is back."""
        if self._access.sign_on is None:
            raise NotFound("log-in: no identity provider is set")
        https = self._settings.is_https
        browser = cookies.sign_on_of(request, https)
        try:
            session, way_on = await self._access.sign_on.finish(state, code, browser, self._back(), issuer)
        except (NotVouchedFor, Forbidden, Unavailable, NotFound) as error:
            answer = self.form("/", error)
        else:
            answer = await self._let_in(request, session, way_on)
        cookies.drop(answer, request, https, cookies.SIGN_ON)
        return answer

    async def out(self, request: Request) -> Response:
        """Log out: the session ends here, not only in the browser."""
        https = self._settings.is_https
        if session := cookies.session_of(request, https):
            await self._db.write(lambda tx: self._access.keys.end(tx, session))
        answer = RedirectResponse("/login", 303)
        cookies.drop(answer, request, https, cookies.SESSION)
        return answer

    async def _let_in(self, request: Request, session: str, way_on: str) -> Response:
        """A new id at every log-in: what the browser held before opens nothing any more."""
        https = self._settings.is_https
        if former := cookies.session_of(request, https):
            await self._db.write(lambda tx: self._access.keys.end(tx, former))
        answer = RedirectResponse(way_on, 303, {"Cache-Control": "no-store"})
        cookies.keep(answer, request, https, cookies.SESSION, session, self._settings.session_longest_s)
        return answer

    def _back(self) -> str:
        return f"{self._settings.public_address}{BACK}"


def routes(log_in: LogIn) -> APIRouter:
    """The addresses."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    async def get_login(next: Next = "/") -> Response:
        return log_in.form(next)

    @router.post("/login")
    async def post_login(request: Request, name: Name, password: Password, next: NextField = "/") -> Response:
        return await log_in.with_password(request, name, password, next)

    @router.get("/login/openid")
    async def get_provider(request: Request, next: Next = "/") -> Response:
        return await log_in.to_provider(request, next)

    @router.get(BACK)
    async def get_back(
        request: Request, state: FromProvider = "", code: FromProvider = "", iss: FromProvider = ""
    ) -> Response:
        return await log_in.from_provider(request, state, code, iss)

    @router.post("/logout")
    async def post_logout(request: Request) -> Response:
        return await log_in.out(request)

    return router


def login_address(path: str) -> str:
    """Where to log in on the way to ``path``."""
    return f"/login?next={quote(path)}"
