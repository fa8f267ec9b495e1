"""A citizen takes a ticket. Works with the link down: the numbers were leased to this machine before.

    number (durable) -> print -> ticket.issued in the outbox -> settled

A printer that fails does not send the citizen away: the ticket is shown on the screen, with its QR code.
"""

import asyncio
import logging
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from device_profiles.capabilities.id_reader import ReadIdArgs
from device_profiles.capabilities.screen import Bilingual
from device_profiles.hall.numbers import remaining
from device_profiles.messages.facts import TicketIssued
from device_profiles.messages.twin import ServiceOffer
from edge_agent.commands.privacy import subject_of
from edge_agent.errors import LocalRefusal, SlotNotReady
from edge_agent.local_flows.book import Medium, Ticket, TicketBook, TicketStage, Wish
from edge_agent.local_flows.document import ticket_document
from edge_agent.ports import Clock, DesiredView, Outbox, SlotView
from firmware_bridge.errors import BridgeError, DeviceFault, OutcomeUnknown

ISSUED = "ticket.issued"
PRINT_S = 15.0
CARD_WAIT_S = 20.0
NO_PAPER = Bilingual(
    zh="打印机暂不可用, 请拍照保存此号码。",
    en="The printer cannot print now. Please take a photo of this number.",
)
PERHAPS_NO_PAPER = Bilingual(
    zh="如未取到纸票, 请拍照保存此号码。",
    en="If no paper ticket came out, please take a photo of this number.",
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Offered:
    """A service as the screen shows it. ``left``: numbers this machine may still hand out."""

    service: str
    name: Bilingual
    left: int


@dataclass(frozen=True, slots=True)
class Handed:
    """A ticket in the citizen's hand, and what to tell when it is not on paper. ``link`` may be empty."""

    ticket: Ticket
    name: Bilingual
    link: str
    notice: Bilingual | None = None


@dataclass(frozen=True, slots=True)
class TicketParts:
    """What the desk works with. Slots by capability; a machine may lack them."""

    book: TicketBook
    outbox: Outbox
    desired: DesiredView
    clock: Clock
    by_capability: Mapping[str, SlotView]


class TicketDesk:
    """Hands out tickets, one citizen after the other."""

    def __init__(self, parts: TicketParts) -> None:
        self._parts = parts
        self._turn = asyncio.Lock()

    async def recover(self) -> None:
        """Tickets that a crash caught between number and fact: the citizen may hold the paper, so they exist."""
        for ticket in await self._parts.book.unsettled():
            await self._issue(ticket)
        await self._parts.book.expire(self._parts.clock.now())

    async def offered(self) -> list[Offered]:
        """What can be chosen now; empty when the numbers are not those of today."""
        if self._day() is None:
            return []
        agent = self._parts.desired.agent
        await self._parts.book.burn_lost(agent.day, agent.services)
        return [
            Offered(
                service, _name(offer), remaining(offer.blocks, await self._parts.book.used_up_to(agent.day, service))
            )
            for service, offer in agent.services.items()
        ]

    async def take(self, service: str, visit: str, *, with_card: bool = False) -> Handed:
        """A ticket for this visit; the same one when it is asked for twice. Raises LocalRefusal."""
        async with self._turn:
            if (ticket := await self._parts.book.of_visit(visit)) is not None:
                return self._handed(ticket, NO_PAPER if ticket.medium == "screen" else None)
            await self._check(service)
            subject = await self._subject() if with_card else ""
            ticket = await self._number(service, visit, subject)
            return await self._hand_over(ticket)

    async def _check(self, service: str) -> None:
        if self._day() is None:
            raise LocalRefusal(
                "no_numbers", "今日号码尚未下发, 请咨询导办员。", "No numbers for today yet. Please ask our staff."
            )
        if service not in self._parts.desired.agent.services:
            raise LocalRefusal(
                "unknown_service",
                "此业务暂不取号, 请咨询导办员。",
                "This service gives no tickets here. Please ask our staff.",
            )
        if not await self._parts.outbox.accepts_flows():
            raise LocalRefusal(
                "machine_busy",
                "本机暂停取号, 请到其他取号机。",
                "This machine has paused. Please use another ticket machine.",
            )

    async def _subject(self) -> str:
        reader = self._parts.by_capability.get("id_reader")
        if reader is None:
            raise LocalRefusal("no_device", "本机没有身份证阅读器。", "This machine has no ID card reader.")
        try:
            # What is read lives only in this call: the token is all that leaves it.
            return subject_of(
                await reader.execute("read", ReadIdArgs(wait_s=CARD_WAIT_S), run_for_s=CARD_WAIT_S + 5),
                self._parts.desired.agent,
            )
        except DeviceFault as fault:
            raise LocalRefusal(
                fault.code,
                "未读到身份证, 请重试或不刷卡取号。",
                "No ID card was read. Try again, or take a ticket without it.",
            ) from fault
        except (SlotNotReady, BridgeError, TimeoutError) as error:
            _log.warning("ticket: the ID reader failed: %s", error)
            raise LocalRefusal(
                "device_offline",
                "身份证阅读器故障, 请不刷卡取号。",
                "The ID reader does not work. Take a ticket without it.",
            ) from error

    async def _number(self, service: str, visit: str, subject: str) -> Ticket:
        agent = self._parts.desired.agent
        await self._parts.book.burn_lost(agent.day, agent.services)
        wish = Wish(visit, service, uuid.uuid4().hex, secrets.token_urlsafe(16), agent.day, subject)
        ticket = await self._parts.book.number(wish, agent.services[service], self._parts.clock.now())
        if ticket is None:
            raise LocalRefusal(
                "numbers_used_up",
                "本业务号码已取完, 请咨询导办员。",
                "All numbers of this service are taken. Please ask our staff.",
            )
        return ticket

    async def _hand_over(self, ticket: Ticket) -> Handed:
        medium, notice = await self._print(ticket)
        ticket = replace(ticket, medium=medium)
        await self._issue(ticket)
        return self._handed(ticket, notice)

    async def _print(self, ticket: Ticket) -> tuple[Medium, Bilingual | None]:
        printer = self._parts.by_capability.get("printer")
        if printer is None:
            return "screen", NO_PAPER
        offer = self._parts.desired.agent.services[ticket.service]
        document = ticket_document(ticket.number, offer, self._link(ticket), self._local_time(ticket))
        try:
            await printer.execute("print", document, run_for_s=PRINT_S)
        except (OutcomeUnknown, TimeoutError) as error:
            _log.warning("ticket %s: printed or not is unknown: %s", ticket.number, error)
            return "screen", PERHAPS_NO_PAPER
        except (SlotNotReady, BridgeError) as error:
            _log.warning("ticket %s: not printed: %s", ticket.number, error)
            return "screen", NO_PAPER
        return "paper", None

    async def _issue(self, ticket: Ticket) -> None:
        fact = TicketIssued(
            ticket_id=ticket.ticket_id,
            service=ticket.service,
            number=ticket.number,
            token=ticket.token,
            day=ticket.day,
            medium=ticket.medium,
            subject=ticket.subject,
        )
        await self._parts.outbox.append("agent", ISSUED, fact.model_dump(mode="json"), self._parts.clock.now())
        await self._parts.book.settle(replace(ticket, stage=TicketStage.ISSUED))

    def _handed(self, ticket: Ticket, notice: Bilingual | None) -> Handed:
        offer = self._parts.desired.agent.services.get(ticket.service)
        name = Bilingual(zh=ticket.service, en=ticket.service) if offer is None else _name(offer)
        return Handed(ticket, name, self._link(ticket), notice)

    def _link(self, ticket: Ticket) -> str:
        url = self._parts.desired.agent.public_url.rstrip("/")
        return f"{url}/t/{ticket.token}" if url else ""

    def _local_time(self, ticket: Ticket) -> datetime:
        return ticket.taken_at.astimezone()

    def _day(self) -> date | None:
        """The day that the numbers are for; None when it cannot be today anywhere (a date is within a day of UTC's)."""
        try:
            day = date.fromisoformat(self._parts.desired.agent.day)
        except ValueError:
            return None
        return day if abs((day - self._parts.clock.now().date()).days) <= 1 else None


def _name(offer: ServiceOffer) -> Bilingual:
    return Bilingual(zh=offer.name_zh, en=offer.name_en)
