"""The machine's own book of tickets: which numbers are used, and what became of each ticket.

A number is written here before it is printed, so it is never given twice, whatever crashes.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from device_profiles.hall.numbers import format_number, next_number
from device_profiles.messages.twin import ServiceOffer
from edge_agent.storage.file import DurableFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS number (
    day TEXT NOT NULL,
    service TEXT NOT NULL,
    used_up_to INTEGER NOT NULL,
    PRIMARY KEY (day, service)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticket (
    visit TEXT PRIMARY KEY,
    ticket_id TEXT NOT NULL,
    token TEXT NOT NULL,
    service TEXT NOT NULL,
    number TEXT NOT NULL,
    day TEXT NOT NULL,
    subject TEXT NOT NULL,
    stage TEXT NOT NULL,
    medium TEXT NOT NULL,
    taken_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lost (book INTEGER PRIMARY KEY);
"""
KEEP = timedelta(days=2)
Medium = Literal["paper", "screen"]


class TicketStage(StrEnum):
    """How far a ticket has come."""

    NUMBERED = "numbered"  # its number is used, it may have been printed
    ISSUED = "issued"  # the fact is in the outbox


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket that this machine gave."""

    visit: str
    ticket_id: str
    token: str
    service: str
    number: str
    day: str
    subject: str
    stage: TicketStage
    medium: Medium
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants which ticket. ``visit`` is the key under which a second tap finds the first one's ticket."""

    visit: str
    service: str
    ticket_id: str
    token: str
    day: str
    subject: str


class TicketBook:
    """On a file whose schema contains ``SCHEMA``."""

    def __init__(self, file: DurableFile) -> None:
        self._file = file

    async def number(self, wish: Wish, offer: ServiceOffer, at: datetime) -> Ticket | None:
        """Use the next number for ``wish``; durable when this returns. None when the blocks are used up."""

        def write(connection: sqlite3.Connection) -> Ticket | None:
            used = _used_up_to(connection, wish.day, wish.service)
            number = next_number(offer.blocks, used)
            if number is None:
                return None
            connection.execute("INSERT OR REPLACE INTO number VALUES (?, ?, ?)", (wish.day, wish.service, number))
            ticket = Ticket(
                visit=wish.visit,
                ticket_id=wish.ticket_id,
                token=wish.token,
                service=wish.service,
                number=format_number(offer.prefix, number),
                day=wish.day,
                subject=wish.subject,
                stage=TicketStage.NUMBERED,
                medium="paper",
                taken_at=at,
            )
            _insert(connection, ticket)
            return ticket

        return await self._file.run(write)

    async def settle(self, ticket: Ticket) -> None:
        """``ticket`` with its medium is in the outbox."""
        await self._file.run(
            lambda connection: connection.execute(
                "UPDATE ticket SET stage = ?, medium = ? WHERE visit = ?",
                (TicketStage.ISSUED, ticket.medium, ticket.visit),
            )
        )

    async def of_visit(self, visit: str) -> Ticket | None:
        """The ticket that this visit has got."""
        return next(iter(await self._select("visit = ?", visit)), None)

    async def unsettled(self) -> list[Ticket]:
        """Tickets with a number whose fact may not be in the outbox: a crash came between."""
        return await self._select("stage = ?", TicketStage.NUMBERED)

    async def used_up_to(self, day: str, service: str) -> int:
        """The last number used; 0 when none is."""
        return await self._file.run(lambda connection: _used_up_to(connection, day, service))

    async def distrust(self) -> None:
        """This book is new and an older one is lost: numbers leased so far may have been given."""
        await self._file.run(lambda connection: connection.execute("INSERT OR REPLACE INTO lost VALUES (1)"))

    async def burn_lost(self, day: str, services: Mapping[str, ServiceOffer]) -> None:
        """After ``distrust``, once: count every number leased up to now as used. Otherwise nothing."""
        rows = [
            (day, service, max((last for _, last in offer.blocks), default=0)) for service, offer in services.items()
        ]

        def write(connection: sqlite3.Connection) -> None:
            if connection.execute("DELETE FROM lost").rowcount:
                connection.executemany("INSERT OR REPLACE INTO number VALUES (?, ?, ?)", rows)

        await self._file.run(write)

    async def expire(self, now: datetime) -> None:
        """Forget tickets and numbers of past days."""
        limit = (now - KEEP).isoformat()

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM ticket WHERE stage = ? AND taken_at < ?", (TicketStage.ISSUED, limit))
            connection.execute("DELETE FROM number WHERE day < ?", (limit[:10],))

        await self._file.run(write)

    async def _select(self, condition: str, value: str) -> list[Ticket]:
        statement = f"SELECT * FROM ticket WHERE {condition} ORDER BY taken_at"
        return await self._file.run(
            lambda connection: [_ticket(row) for row in connection.execute(statement, (value,))]
        )


def _used_up_to(connection: sqlite3.Connection, day: str, service: str) -> int:
    row = connection.execute("SELECT used_up_to FROM number WHERE day = ? AND service = ?", (day, service)).fetchone()
    return 0 if row is None else int(row[0])


def _insert(connection: sqlite3.Connection, ticket: Ticket) -> None:
    row = (
        *(ticket.visit, ticket.ticket_id, ticket.token, ticket.service, ticket.number, ticket.day, ticket.subject),
        *(ticket.stage, ticket.medium, ticket.taken_at.isoformat()),
    )
    connection.execute("INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def _ticket(row: tuple[str, ...]) -> Ticket:
    visit, ticket_id, token, service, number, day, subject, stage, medium, taken_at = row
    shown: Medium = "screen" if medium == "screen" else "paper"
    at = datetime.fromisoformat(taken_at)
    return Ticket(visit, ticket_id, token, service, number, day, subject, TicketStage(stage), shown, at)
