"""What a citizen can do at the screen: take a ticket, begin a journey, answer. The pages know only this."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from device_profiles.capabilities.screen import Bilingual
from device_profiles.messages.facts import SessionStarted
from device_profiles.schema.machine import MachineProfile
from edge_agent.errors import LocalRefusal
from edge_agent.local_flows.ticket import Handed, TicketDesk
from edge_agent.ports import Clock, DesiredView, Outbox, SlotView
from edge_agent.screen.board import SESSION_IDLE_S, Board, View, ViewKind
from edge_agent.screen.guard import CitizenGuard
from edge_agent.screen.slot import PLEASE_WAIT, ScreenSlot

TICKET_S = 60.0  # longest: a card read and a paper printed


@dataclass(frozen=True, slots=True)
class DeskParts:
    """What stands behind the screen. ``online``: whether the cloud can be reached now."""

    machine: str
    profile: MachineProfile
    board: Board
    slot: ScreenSlot
    tickets: TicketDesk
    outbox: Outbox
    desired: DesiredView
    clock: Clock
    by_capability: Mapping[str, SlotView]
    online: Callable[[], bool]
    guard: CitizenGuard


class ScreenDesk:
    """The use cases of the pages. They raise LocalRefusal, whose words are for the citizen."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts

    @property
    def board(self) -> Board:
        """What the screen shows."""
        return self._parts.board

    async def state(self) -> dict[str, Any]:
        """All that the pages need to draw themselves."""
        parts = self._parts
        offered = await parts.tickets.offered() if parts.profile.tickets else []
        return {
            "revision": parts.board.revision,
            "machine": parts.machine,
            "name": {"zh": parts.profile.name_zh, "en": parts.profile.name_en},
            "online": parts.online(),
            "tickets": parts.profile.tickets,
            "cards": self._is_ready("id_reader"),
            "printer": self._is_ready("printer"),
            "services": [{"id": item.service, **item.name.model_dump(), "left": item.left} for item in offered],
            "items": [{"id": item, **name.model_dump()} for item, name in self._items().items()],
            "view": parts.board.view.as_json(),
        }

    async def take_ticket(self, service: str, visit: str, *, with_card: bool) -> dict[str, Any]:
        """A ticket, on paper or on the screen."""
        if not self._parts.profile.tickets:
            raise LocalRefusal("no_tickets", "本机不提供取号。", "This machine gives no tickets.")
        if self._parts.board.view.kind not in (ViewKind.IDLE, ViewKind.READING_CARD, ViewKind.OUT_OF_SERVICE):
            raise _busy()
        async with self._parts.guard.serving(f"ticket {visit}", TICKET_S):
            reading = with_card and self._parts.board.show(View(ViewKind.READING_CARD))
            try:
                handed = await self._parts.tickets.take(service, visit, with_card=with_card)
            finally:
                if reading:
                    self._parts.board.go_home()
        self._parts.board.touch()  # fewer numbers are left
        return _ticket_json(handed)

    async def start_session(self, item: str) -> dict[str, Any]:
        """Begin a journey: the cloud leads it from here on."""
        if item not in self._items():
            raise LocalRefusal("unknown_item", "本机不办理此事项。", "This cannot be done at this machine.")
        if not self._parts.online():
            raise LocalRefusal(
                "offline",
                "网络中断, 暂不能办理, 请稍后再试或到窗口办理。",
                "No connection. Try again later, or go to a counter.",
            )
        if not await self._parts.outbox.accepts_flows():
            raise LocalRefusal(
                "machine_busy", "本机暂停办理, 请使用其他设备。", "This machine has paused. Please use another one."
            )
        session = uuid.uuid4().hex
        if self._parts.board.view.kind not in (ViewKind.IDLE, ViewKind.OUT_OF_SERVICE):
            raise _busy()
        await self._parts.guard.begin(session, SESSION_IDLE_S)
        if self._parts.board.view.kind is not ViewKind.IDLE:  # somebody was quicker
            self._parts.guard.give_up(session)
            raise _busy()
        self._parts.board.show(View(ViewKind.MESSAGE, session, PLEASE_WAIT, "wait"), for_s=SESSION_IDLE_S)
        fact = SessionStarted(session_id=session, item=item).model_dump(mode="json")
        await self._parts.outbox.append("screen", "session.started", fact, self._parts.clock.now())
        return {"session_id": session}

    def answer(self, option: str) -> None:
        """The citizen touched an option."""
        self._parts.slot.answer(option)

    def _items(self) -> dict[str, Bilingual]:
        wanted = self._parts.desired.agent.items
        offered = [item for item in self._parts.profile.items if item in wanted]
        return {item: Bilingual(zh=wanted[item][0], en=wanted[item][1]) for item in offered}

    def _is_ready(self, capability: str) -> bool:
        slot = self._parts.by_capability.get(capability)
        return slot is not None and slot.ready


def _ticket_json(handed: Handed) -> dict[str, Any]:
    ticket = handed.ticket
    found: dict[str, Any] = {
        "number": ticket.number,
        "token": ticket.token,
        "medium": ticket.medium,
        "service": {"id": ticket.service, **handed.name.model_dump()},
        "link": handed.link,
    }
    if ticket.medium == "screen" and handed.link:
        found["qr_svg"] = _qr_svg(handed.link)
    if handed.notice is not None:
        found["notice"] = handed.notice.model_dump()
    return found


def _qr_svg(link: str) -> str:
    import segno  # here: half a mebibyte that a machine with a working printer never needs

    return segno.make(link, error="m", micro=False).svg_inline(scale=8, border=4)


def _busy() -> LocalRefusal:
    return LocalRefusal("busy", "本机正在办理其他业务。", "This machine is serving somebody else.")
