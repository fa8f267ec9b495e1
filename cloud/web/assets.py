"""Scripts and the stylesheet, served from the installed packages under addresses that change with the content."""

import mimetypes
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cloud.core.errors import NotFound

STYLESHEET = "hallfleet.css"
_A_YEAR = "public, max-age=31536000, immutable"


class Assets:
    """Everything below ``static/``, and the one stylesheet of all rooms. Read once, kept in memory."""

    def __init__(self) -> None:
        found = {STYLESHEET: files("device_profiles").joinpath("design", STYLESHEET)}
        found.update(_below(files("cloud.web").joinpath("static"), ""))
        self._content: Mapping[str, bytes] = {name: file.read_bytes() for name, file in found.items()}
        self._digest = {name: sha256(content).hexdigest()[:12] for name, content in self._content.items()}

    def url(self, name: str) -> str:
        """The address of an asset. Raises NotFound."""
        self._known(name)
        return f"/static/{name}?v={self._digest[name]}"

    def route(self) -> Route:
        """Serves them all."""
        return Route("/static/{name:path}", self._serve, methods=["GET"])

    async def _serve(self, request: Request) -> Response:
        name = request.path_params["name"]
        self._known(name)
        kind = mimetypes.guess_type(name)[0] or "text/plain"
        current = request.query_params.get("v") == self._digest[name]
        return Response(
            self._content[name], media_type=kind, headers={"Cache-Control": _A_YEAR if current else "no-cache"}
        )

    def _known(self, name: str) -> None:
        if name not in self._content:
            raise NotFound(f"/static/{name[:100]}: there is no such file")


def _below(folder: Traversable, prefix: str) -> dict[str, Traversable]:
    found: dict[str, Traversable] = {}
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found.update(_below(entry, f"{name}/"))
        else:
            found[name] = entry
    return found
