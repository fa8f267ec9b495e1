"""HTTP bodies of the queue. Nothing here says who a citizen is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloud.core.clock import from_ms
from cloud.queues.model import Board, Counter, CounterState, Position, ServiceLine, Ticket
from device_profiles.hall.ticket_states import TicketState
from device_profiles.hall.waiting import WaitEstimate


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewTicket(_Request):
    """A ticket that staff issue."""

    service: str = Field(min_length=1, max_length=40)


class OpenCounter(_Request):
    """Who sits at the counter; empty: the clerk who sat there last."""

    clerk: str = Field(default="", max_length=40)


class RecallTicket(_Request):
    """Whom to call again; empty: the ticket in hand. Otherwise a ticket that was passed over today."""

    ticket_id: str = Field(default="", max_length=64)


class BandView(BaseModel):
    """An expected wait: half of the waits are below the median, four of five between low and high."""

    median_s: int
    low_s: int
    high_s: int


class TicketView(BaseModel):
    """A ticket as staff see it."""

    id: str
    hall: str
    service: str
    number: str
    day: str
    state: TicketState
    medium: str
    machine: str
    counter: str
    calls: int
    issued_at: datetime
    called_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    rating: int | None = None


class IssuedTicket(TicketView):
    """A new ticket with the token that opens its live position."""

    token: str


class PublicTicket(BaseModel):
    """A ticket as its holder sees it. ``counter`` is the number over the counter that calls."""

    number: str
    service_zh: str
    service_en: str
    state: TicketState
    people_ahead: int | None
    position: int | None = Field(description="place in the line, 1 is next; null unless waiting")
    estimate: BandView | None
    counter: int | None
    calls: int
    issued_at: datetime
    called_at: datetime | None


class CounterView(BaseModel):
    """A counter and the ticket in hand."""

    id: str
    hall: str
    number: int
    machine: str
    state: CounterState
    clerk: str
    services: list[str]
    ticket: TicketView | None


class ServiceView(BaseModel):
    """How one service stands today."""

    id: str
    prefix: str
    name_zh: str
    name_en: str
    waiting: int
    called: int
    serving: int
    served: int
    no_shows: int
    abandoned: int
    oldest_wait_s: int
    target_wait_s: int
    open_counters: int
    estimate: BandView | None = Field(description="for a citizen who comes now; null when no counter is open")


class QueueView(BaseModel):
    """A hall's queue."""

    hall: str
    day: str
    services: list[ServiceView]
    counters: list[CounterView]


def band(estimate: WaitEstimate | None) -> BandView | None:
    """An estimate as HTTP shows it."""
    if estimate is None:
        return None
    return BandView(median_s=estimate.median_s, low_s=estimate.low_s, high_s=estimate.high_s)


def ticket_view(ticket: Ticket, rating: int | None = None) -> TicketView:
    """A ticket without its token: only its holder opens the position."""
    return TicketView(**_ticket_values(ticket), rating=rating)


def issued_view(ticket: Ticket) -> IssuedTicket:
    """A ticket for the person who hands it out."""
    return IssuedTicket(**_ticket_values(ticket), token=ticket.token)


def public_view(position: Position) -> PublicTicket:
    """What the code on the ticket shows to anybody who has it."""
    ticket, ahead = position.ticket, position.people_ahead
    return PublicTicket(
        number=ticket.number,
        service_zh=position.service.name_zh,
        service_en=position.service.name_en,
        state=ticket.state,
        people_ahead=ahead,
        position=None if ahead is None else ahead + 1,
        estimate=band(position.estimate),
        counter=position.counter_number,
        calls=ticket.calls,
        issued_at=from_ms(ticket.issued_ms),
        called_at=_at(ticket.called_ms),
    )


def counter_view(counter: Counter, tickets: Mapping[str, Ticket]) -> CounterView:
    """A counter; ``tickets`` holds the tickets in hand by id."""
    ticket = tickets.get(counter.ticket_id)
    return CounterView(
        id=counter.counter,
        hall=counter.hall,
        number=counter.number,
        machine=counter.machine,
        state=counter.state,
        clerk=counter.clerk,
        services=list(counter.services),
        ticket=None if ticket is None else ticket_view(ticket),
    )


def queue_view(board: Board) -> QueueView:
    """The whole hall."""
    return QueueView(
        hall=board.hall,
        day=board.day,
        services=[_service_view(line) for line in board.lines],
        counters=[counter_view(counter, board.tickets) for counter in board.counters],
    )


def _service_view(line: ServiceLine) -> ServiceView:
    return ServiceView(
        id=line.service.id,
        prefix=line.service.prefix,
        name_zh=line.service.name_zh,
        name_en=line.service.name_en,
        waiting=line.waiting,
        called=line.called,
        serving=line.serving,
        served=line.served,
        no_shows=line.no_shows,
        abandoned=line.abandoned,
        oldest_wait_s=line.oldest_wait_s,
        target_wait_s=line.service.target_wait_s,
        open_counters=line.open_counters,
        estimate=band(line.estimate),
    )


def _ticket_values(ticket: Ticket) -> dict[str, Any]:
    return {
        "id": ticket.ticket_id,
        "hall": ticket.hall,
        "service": ticket.service,
        "number": ticket.number,
        "day": ticket.day,
        "state": ticket.state,
        "medium": ticket.medium,
        "machine": ticket.machine,
        "counter": ticket.counter,
        "calls": ticket.calls,
        "issued_at": from_ms(ticket.issued_ms),
        "called_at": _at(ticket.called_ms),
        "started_at": _at(ticket.started_ms),
        "ended_at": _at(ticket.ended_ms),
    }


def _at(value_ms: int | None) -> datetime | None:
    return None if value_ms is None else from_ms(value_ms)
