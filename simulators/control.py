"""The control API: look at every simulated device and press its buttons, over HTTP on loopback.

It stands for hands and eyes in the hall; the system under simulation never calls it.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from fastapi import Body, FastAPI, Request
from fastapi.responses import JSONResponse

from simulators.errors import ButtonRefused, SimulatorError, UnknownName
from simulators.machine import SimulatedMachine, find_machine
from simulators.people import People

Machines = Mapping[str, SimulatedMachine]


class Crowd(Protocol):
    """The simulated citizens and clerks, as far as they can be stopped and counted."""

    @property
    def paused(self) -> bool: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def activity(self) -> dict[str, Any]: ...


class NoCrowd:
    """A machine without a hall: nobody comes by himself."""

    paused = True

    def pause(self) -> None:
        """Nobody to stop."""

    def resume(self) -> None:
        """Nobody to start: raises SimulatorError."""
        raise ButtonRefused("resume: expected a hall with people in it (hallfleet simulate hall)")

    def activity(self) -> dict[str, Any]:
        """Nothing happens."""
        return {}


def control_app(machines: Machines, people: People, crowd: Crowd | None = None) -> FastAPI:
    """The API over these machines and people."""
    app = FastAPI(title="hallfleet simulators: control", docs_url=None, redoc_url=None)
    app.add_exception_handler(SimulatorError, _refused)
    _device_routes(app, machines)
    _people_routes(app, people, crowd or NoCrowd())
    return app


def _device_routes(app: FastAPI, machines: Machines) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    @app.get("/machines")
    async def list_machines() -> dict[str, Any]:
        return {machine.id: _describe(machine) for machine in machines.values()}

    @app.get("/machines/{machine}/slots/{slot}")
    async def look(machine: str, slot: str) -> dict[str, Any]:
        port = find_machine(machines, machine).port(slot)
        return {"snapshot": port.snapshot(), "plugged": port.plugged, "buttons": sorted(port.peer.buttons)}

    @app.post("/machines/{machine}/slots/{slot}/press/{button}")
    async def press(
        machine: str, slot: str, button: str, arguments: dict[str, Any] | None = Body(default=None)
    ) -> dict[str, Any]:
        port = find_machine(machines, machine).port(slot)
        given = arguments or {}
        if button in port.peer.buttons:
            _check_arguments(button, port.peer.buttons[button], given)
        return {"result": port.press(button, **given)}

    @app.post("/machines/{machine}/slots/{slot}/unplug")
    async def unplug(machine: str, slot: str) -> dict[str, bool]:
        find_machine(machines, machine).port(slot).unplug()
        return {"plugged": False}

    @app.post("/machines/{machine}/slots/{slot}/plug")
    async def plug(machine: str, slot: str) -> dict[str, bool]:
        find_machine(machines, machine).port(slot).plug()
        return {"plugged": True}


def _people_routes(app: FastAPI, people: People, crowd: Crowd) -> None:
    @app.get("/people")
    async def list_people() -> dict[str, Any]:
        return {p.key: {**asdict(p), "payment_code": people.payment_code(p.key)} for p in people}

    @app.get("/activity")
    async def activity() -> dict[str, Any]:
        return {"paused": crowd.paused, **crowd.activity()}

    @app.post("/people/pause")
    async def pause() -> dict[str, bool]:
        crowd.pause()
        return {"paused": crowd.paused}

    @app.post("/people/resume")
    async def resume() -> dict[str, bool]:
        crowd.resume()
        return {"paused": crowd.paused}

    @app.post("/people/{person}/payment-code")
    async def payment_code(person: str) -> dict[str, str]:
        return {"code": people.new_payment_code(person)}

    @app.get("/people/{person}/permit")
    async def permit(person: str) -> dict[str, object]:
        return people.permit(person).snapshot()


def _describe(machine: SimulatedMachine) -> dict[str, Any]:
    slots = {
        slot: {"plugged": port.plugged, "link": str(port.link), "buttons": sorted(port.peer.buttons)}
        for slot, port in machine.ports.items()
    }
    return {"profile": machine.profile.id, "slots": slots}


def _check_arguments(button: str, action: Callable[..., Any], given: dict[str, Any]) -> None:
    signature = inspect.signature(action)
    try:
        signature.bind(**given)
    except TypeError as error:
        raise ButtonRefused(f"{button}: expected arguments {signature}, got {given}: {error}") from error


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, UnknownName) else 409 if isinstance(error, ButtonRefused) else 422
    return JSONResponse({"detail": str(error)}, status_code=status)
