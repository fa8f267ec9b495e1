"""Statements on tickets, calls and ratings."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from cloud.core.errors import Conflict, NotFound
from cloud.queues.model import Ticket
from cloud.queues.store.tables import ratings, ticket_calls, tickets
from cloud.storage.upsert import insert_missing
from device_profiles.hall.ticket_states import TicketState

_LINE = (tickets.c.issued_ms, tickets.c.ticket_id)  # device_profiles.hall.calling.call_order, said to the database


def add(conn: sa.Connection, ticket: Ticket) -> None:
    """Store a new ticket. The caller has checked that its id and number are free."""
    conn.execute(tickets.insert().values(**asdict(ticket)))


def find(conn: sa.Connection, ticket_id: str) -> Ticket | None:
    """The ticket with this id."""
    return _one(conn, tickets.c.ticket_id == ticket_id)


def get(conn: sa.Connection, ticket_id: str) -> Ticket:
    """The ticket with this id. Raises NotFound."""
    ticket = find(conn, ticket_id)
    if ticket is None:
        raise NotFound(f"ticket {ticket_id[:64]!r}: there is none with this id")
    return ticket


def find_token(conn: sa.Connection, token: str) -> Ticket | None:
    """The ticket that this token opens."""
    return _one(conn, tickets.c.token == token)


def find_number(conn: sa.Connection, hall: str, day: str, number: str) -> Ticket | None:
    """The ticket with this number on this day."""
    return _one(conn, tickets.c.hall == hall, tickets.c.day == day, tickets.c.number == number)


def claim_next(
    conn: sa.Connection, hall: str, day: str, services: Collection[str], changes: dict[str, Any]
) -> Ticket | None:
    """Take the oldest waiting ticket of these services for one counter; None when nobody waits.

    One statement, so that two counters never get the same ticket. ``SKIP LOCKED`` lets PostgreSQL give a second
    counter the next ticket at once; SQLite has one writer and leaves the words out.
    """
    oldest = (
        sa.select(tickets.c.ticket_id)
        .where(tickets.c.hall == hall, tickets.c.day == day, tickets.c.state == TicketState.WAITING)
        .where(tickets.c.service.in_(sorted(services)))
        .order_by(*_LINE)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    claim = (
        tickets.update()
        .where(tickets.c.ticket_id == oldest.scalar_subquery(), tickets.c.state == TicketState.WAITING)
        .values(state=TicketState.CALLED, calls=tickets.c.calls + 1, **changes)
        .returning(tickets)
    )
    row = conn.execute(claim).mappings().first()
    return None if row is None else _ticket(row)


def change(conn: sa.Connection, ticket: Ticket, **changes: Any) -> Ticket:
    """Change a ticket that is still in the state we know. Raises Conflict when somebody was faster."""
    statement = (
        tickets.update()
        .where(tickets.c.ticket_id == ticket.ticket_id)
        .where(tickets.c.state == ticket.state, tickets.c.calls == ticket.calls)
        .values(**changes)
        .returning(tickets)
    )
    row = conn.execute(statement).mappings().first()
    if row is None:
        raise Conflict(f"ticket {ticket.number}: changed by somebody else meanwhile; look again")
    return _ticket(row)


def unfinished_before(conn: sa.Connection, hall: str, day: str) -> Sequence[Ticket]:
    """Tickets of earlier days that nobody ended."""
    open_states = (TicketState.WAITING, TicketState.CALLED, TicketState.SERVING)
    query = tickets.select().where(tickets.c.hall == hall, tickets.c.day < day, tickets.c.state.in_(open_states))
    return [_ticket(row) for row in conn.execute(query.order_by(*_LINE)).mappings()]


def in_hand(conn: sa.Connection, hall: str, day: str) -> Sequence[Ticket]:
    """The day's tickets that are called or served now."""
    held = tickets.c.state.in_((TicketState.CALLED, TicketState.SERVING))
    query = tickets.select().where(tickets.c.hall == hall, tickets.c.day == day, held)
    return [_ticket(row) for row in conn.execute(query.order_by(*_LINE)).mappings()]


def waiting(conn: sa.Connection, hall: str, day: str, service: str | None = None, limit: int = 500) -> Sequence[Ticket]:
    """The day's waiting tickets in the order in which they will be called."""
    query = tickets.select().where(tickets.c.hall == hall, tickets.c.day == day, tickets.c.state == TicketState.WAITING)
    if service is not None:
        query = query.where(tickets.c.service == service)
    return [_ticket(row) for row in conn.execute(query.order_by(*_LINE).limit(limit)).mappings()]


def count_ahead(conn: sa.Connection, ticket: Ticket) -> int:
    """How many waiting tickets of the same service are called before this one."""
    same = (tickets.c.hall == ticket.hall, tickets.c.day == ticket.day, tickets.c.service == ticket.service)
    before = sa.tuple_(*_LINE) < sa.tuple_(sa.literal(ticket.issued_ms), sa.literal(ticket.ticket_id))
    query = sa.select(sa.func.count()).select_from(tickets)
    return conn.execute(query.where(*same, tickets.c.state == TicketState.WAITING, before)).scalar_one()


def counts(conn: sa.Connection, hall: str, day: str) -> dict[tuple[str, TicketState], tuple[int, int]]:
    """Per service and state: how many tickets of the day, and when the oldest of them was issued (ms)."""
    query = (
        sa.select(tickets.c.service, tickets.c.state, sa.func.count(), sa.func.min(tickets.c.issued_ms))
        .where(tickets.c.hall == hall, tickets.c.day == day)
        .group_by(tickets.c.service, tickets.c.state)
    )
    return {(row[0], TicketState(row[1])): (row[2], row[3]) for row in conn.execute(query)}


def stays_since(conn: sa.Connection, hall: str, day: str, from_ms: int) -> list[tuple[int, int | None]]:
    """When tickets joined and left the line (ms; None: still in it), of those in it at or after ``from_ms``."""
    left = sa.func.coalesce(tickets.c.called_ms, tickets.c.ended_ms)
    query = sa.select(tickets.c.issued_ms, left).where(
        tickets.c.hall == hall, tickets.c.day == day, sa.or_(left.is_(None), left >= from_ms)
    )
    return [(row[0], row[1]) for row in conn.execute(query)]


def numbers_of(conn: sa.Connection, hall: str, day: str, service: str, machine: str) -> list[str]:
    """The numbers of one service that a machine has handed out on a day."""
    query = sa.select(tickets.c.number).where(
        tickets.c.hall == hall, tickets.c.day == day, tickets.c.service == service, tickets.c.machine == machine
    )
    return list(conn.execute(query).scalars())


def add_call(conn: sa.Connection, ticket: Ticket, called_ms: int) -> None:
    """Record the latest call of a ticket."""
    conn.execute(
        ticket_calls.insert().values(
            ticket_id=ticket.ticket_id,
            n=ticket.calls,
            hall=ticket.hall,
            counter=ticket.counter,
            clerk=ticket.clerk,
            called_ms=called_ms,
        )
    )


def add_rating(conn: sa.Connection, ticket: Ticket, grade: int, rated_ms: int) -> bool:
    """Store a grade; False when the ticket has one already, which stays as it is."""
    before = rating_of(conn, ticket.ticket_id)
    row = {
        "ticket_id": ticket.ticket_id,
        "hall": ticket.hall,
        "service": ticket.service,
        "counter": ticket.counter,
        "grade": grade,
        "rated_ms": rated_ms,
    }
    insert_missing(conn, ratings, [row], ["ticket_id"])
    return before is None


def rating_of(conn: sa.Connection, ticket_id: str) -> int | None:
    """The grade of a ticket."""
    query = sa.select(ratings.c.grade).where(ratings.c.ticket_id == ticket_id)
    grade: int | None = conn.execute(query).scalar()
    return grade


def _one(conn: sa.Connection, *conditions: sa.ColumnElement[bool]) -> Ticket | None:
    row = conn.execute(tickets.select().where(*conditions)).mappings().first()
    return None if row is None else _ticket(row)


def _ticket(row: sa.RowMapping) -> Ticket:
    return Ticket(**{**row, "state": TicketState(row["state"])})
