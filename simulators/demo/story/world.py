"""The doors through which the story touches the hall: pages and API, simulated peripherals, screens, the broker."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from simulators.demo.run import RunningHall
from simulators.demo.story.observer import Observer

T = TypeVar("T")
_POLL_S = 0.05
REACTION_S = 0.3  # no finger is quicker; the pad's protocol counts on it (steps of 100 ms)


class Mismatch(Exception):
    """A step saw something else than it expected; the message is what it saw."""


def expect(holds: object, observed: str) -> None:
    """Raise Mismatch with ``observed`` unless ``holds``."""
    if not holds:
        raise Mismatch(observed)


@dataclass
class World:
    """The hall under test, seen from outside."""

    hall: RunningHall
    observer: Observer
    sessions: dict[str, str] = field(default_factory=dict)
    patience: float = 1.0  # how many times longer than usual to wait, where parts of the hall are being killed

    async def get(self, path: str, **params: object) -> Any:
        """GET of the cloud's API; the parsed JSON. Mismatch when it is not a success."""
        return await self._call("GET", f"{self.hall.plan.cloud_url}{path}", params=params)

    async def post(self, path: str, body: object = None, key: str = "") -> Any:
        """POST to the cloud's API; the parsed JSON. Mismatch when it is not a success."""
        headers = {"Idempotency-Key": key or f"story-{time.monotonic_ns()}"}
        return await self._call("POST", f"{self.hall.plan.cloud_url}{path}", json=body or {}, headers=headers)

    async def page(self, path: str) -> str:
        """The HTML of a page of the cloud."""
        answer = await self.hall.http.get(f"{self.hall.plan.cloud_url}{path}")
        expect(answer.status_code == 200, f"GET {path} answered {answer.status_code}")
        return answer.text

    async def press(self, machine: str, slot: str, button: str, **arguments: object) -> Any:
        """Press a button of a simulated peripheral."""
        url = f"{self.hall.plan.control_url}/machines/{machine}/slots/{slot}/press/{button}"
        return await self._call("POST", url, json=arguments)

    async def cable(self, machine: str, slot: str, verb: str) -> None:
        """``unplug`` or ``plug`` a simulated peripheral."""
        await self._call("POST", f"{self.hall.plan.control_url}/machines/{machine}/slots/{slot}/{verb}")

    async def look(self, machine: str, slot: str) -> dict[str, Any]:
        """What an onlooker sees at a simulated peripheral."""
        answer = await self._call("GET", f"{self.hall.plan.control_url}/machines/{machine}/slots/{slot}")
        snapshot: dict[str, Any] = answer["snapshot"]
        return snapshot

    async def touch(self, machine: str, path: str, body: object) -> Any:
        """Touch a machine's own screen."""
        return await self._call("POST", f"{self.hall.plan.screen_url(machine)}{path}", json=body)

    async def screen(self, machine: str) -> dict[str, Any]:
        """What a machine's own screen shows."""
        state: dict[str, Any] = await self._call("GET", f"{self.hall.plan.screen_url(machine)}/api/state")
        return state

    async def people(self) -> dict[str, dict[str, Any]]:
        """The simulated people by key, with everything that only they should know."""
        people: dict[str, dict[str, Any]] = await self._call("GET", f"{self.hall.plan.control_url}/people")
        return people

    def logs(self) -> dict[str, str]:
        """Everything that the processes of the hall have logged, by file name."""
        return {path.name: path.read_text(errors="replace") for path in self.hall.supervisor.log_dir.glob("*.log")}

    async def ledger(self) -> dict[str, Any]:
        """The sandbox payment gateway's book."""
        book: dict[str, Any] = await self._call("GET", f"{self.hall.plan.departments_url}/ledger")
        return book

    async def take_ticket(self, machine: str, service: str, *, visit: str = "", card_of: str = "") -> dict[str, Any]:
        """Take a ticket at a machine's screen, by touch or with an ID card."""
        body = {"service": service, "visit": visit or f"v{time.monotonic_ns()}", "with_card": bool(card_of)}
        if not card_of:
            answer: dict[str, Any] = await self.touch(machine, "/api/tickets", body)
            return answer
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(self.touch(machine, "/api/tickets", body))
            await self.press(machine, "id_reader", "insert_card", person=card_of)
            answer = await asked
        await self.press(machine, "id_reader", "remove_card")
        return answer

    async def observer_numbers(self) -> list[str]:
        """Numbers of all tickets issued so far, oldest first, each once."""
        return list(dict.fromkeys(fact["data"]["number"] for fact in self.observer.facts("ticket.issued")))

    async def react(self) -> None:
        """The time that a person needs to see something and touch it."""
        await asyncio.sleep(REACTION_S)

    async def eventually(
        self, look: Callable[[], Awaitable[T]], good: Callable[[T], object], limit_s: float = 8.0
    ) -> T:
        """Look again and again until ``good``; a part that does not answer is looked at again too.

        Mismatch with the last sight after ``limit_s``.
        """
        deadline = time.monotonic() + limit_s * self.patience
        while True:
            try:
                seen = await look()
                if good(seen):
                    return seen
                last = str(seen)[:400]
            except httpx.TransportError as error:
                last = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                raise Mismatch(f"after {limit_s * self.patience:.0f} s still: {last}")
            await asyncio.sleep(_POLL_S)

    async def _call(self, method: str, url: str, **options: Any) -> Any:
        answer = await self.hall.http.request(method, url, timeout=30.0, **options)
        expect(answer.is_success, f"{method} {url} answered {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None
