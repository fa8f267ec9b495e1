"""The touch screens of the machines, as a citizen uses them: over HTTP on loopback."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from simulators.errors import SimulatorError

PATIENCE_S = 40.0  # longer than an agent waits for a card and for its printer


class ScreenUnavailable(SimulatorError):
    """The screen is dark, or says that the machine cannot do that now."""


def read_screens(file: Path | None) -> dict[str, int]:
    """``{machine: port}`` from a JSON file; no file, no screens. Raises SimulatorError."""
    if file is None:
        return {}
    try:
        ports = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SimulatorError(f"{file}: expected a JSON object of machine: port: {error}") from error
    if not isinstance(ports, dict) or not all(type(port) is int and 0 < port < 65536 for port in ports.values()):
        raise SimulatorError(f"{file}: expected a JSON object of machine: port, got {ports!r}")
    return ports


class Screens:
    """The screens of one hall. Use it as an asynchronous context."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports
        self._http = httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False)

    async def __aenter__(self) -> "Screens":
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def has(self, machine: str) -> bool:
        """Whether that machine has a screen that people can touch."""
        return machine in self._ports

    async def take_ticket(self, machine: str, service: str, visit: str, with_card: bool) -> str:
        """Touch a service; returns the ticket number. With ``with_card`` the machine then waits for an ID card."""
        wish = {"service": service, "visit": visit, "with_card": with_card}
        return str((await self._call("POST", machine, "/api/tickets", wish))["number"])

    async def start(self, machine: str, item: str) -> str:
        """Touch a journey; returns the session."""
        return str((await self._call("POST", machine, "/api/sessions", {"item": item}))["session_id"])

    async def view(self, machine: str) -> dict[str, Any]:
        """What the screen shows: ``kind`` and what belongs to it."""
        view = (await self._call("GET", machine, "/api/state")).get("view")
        return view if isinstance(view, dict) else {}

    async def answer(self, machine: str, option: str) -> None:
        """Touch an option of a question."""
        await self._call("POST", machine, "/api/answer", {"option": option})

    async def _call(self, method: str, machine: str, path: str, body: object = None) -> dict[str, Any]:
        if machine not in self._ports:
            raise ScreenUnavailable(f"{machine}: expected a screen port, none is known")
        url = f"http://127.0.0.1:{self._ports[machine]}{path}"
        try:
            response = await self._http.request(method, url, json=body)
            answer = (response.json() if response.content else {}) if response.is_success else None
        except (httpx.HTTPError, ValueError) as error:
            raise ScreenUnavailable(f"{machine}: {method} {path}: {type(error).__name__}: {error}") from error
        if not isinstance(answer, dict):
            raise ScreenUnavailable(f"{machine}: {method} {path} answered {response.status_code}")
        return answer
