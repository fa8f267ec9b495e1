"""Tickets, counters and the queue over HTTP."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path

from cloud.core.clock import Clock, to_ms
from cloud.queues.model import Counter, Ticket
from cloud.queues.schemas import (
    CounterView,
    IssuedTicket,
    NewTicket,
    OpenCounter,
    PublicTicket,
    QueueView,
    RecallTicket,
    TicketView,
    counter_view,
    issued_view,
    public_view,
    queue_view,
    ticket_view,
)
from cloud.queues.service import QueueService
from cloud.queues.states import CounterStep
from cloud.storage.idempotency import IdempotencyKey, once
from cloud.storage.unit_of_work import Database, Tx
from device_profiles.hall.ticket_states import Actor

HallId = Annotated[str, Path(max_length=60)]
TicketId = Annotated[str, Path(max_length=64)]
CounterName = Annotated[str, Path(max_length=101, description="c1, or hall:c1 where several halls have a c1")]
Token = Annotated[str, Path(max_length=64)]


def router(service: QueueService, db: Database, clock: Clock) -> APIRouter:
    """Everything that staff need a login for, and the one route that they do not: ``public_router``."""
    routes = APIRouter(tags=["queue"])
    keyed = _Keyed(db, clock)
    _add_tickets(routes, service, db, keyed)
    _add_counter_doors(routes, service, keyed)
    _add_calls(routes, service, keyed)

    @routes.get("/halls/{hall}/queue")
    async def get_queue(hall: HallId) -> QueueView:
        """How every service and counter stands now."""
        return queue_view(await db.read(lambda conn: service.board.board(conn, hall)))

    return routes


def public_router(service: QueueService, db: Database) -> APIRouter:
    """What the code on a ticket opens, for anybody who holds it."""
    routes = APIRouter(tags=["public"])

    @routes.get("/public/tickets/{token}")
    async def get_public_ticket(token: Token) -> PublicTicket:
        """The live position of a ticket. No word about the person."""
        return public_view(await db.read(lambda conn: service.board.position(conn, token)))

    return routes


class _Keyed:
    """Does a request once per Idempotency-Key."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def do(
        self, scope: str, key: str, request: dict[str, Any], work: Callable[[Tx], dict[str, Any]]
    ) -> dict[str, Any]:
        now_ms = to_ms(self._clock.now())
        return await self._db.write(lambda tx: once(tx, scope, key, request, now_ms, lambda: work(tx)))


def _add_tickets(routes: APIRouter, service: QueueService, db: Database, keyed: _Keyed) -> None:
    @routes.post("/halls/{hall}/tickets", status_code=201)
    async def post_ticket(hall: HallId, asked: NewTicket, idempotency_key: IdempotencyKey) -> IssuedTicket:
        """Issue a ticket at the desk."""

        def issue(tx: Tx) -> dict[str, Any]:
            return issued_view(service.tickets.issue(tx, hall, asked.service)).model_dump(mode="json")

        answer = await keyed.do(f"tickets/{hall}", idempotency_key, asked.model_dump(), issue)
        return IssuedTicket.model_validate(answer)

    @routes.get("/tickets/{ticket_id}")
    async def get_ticket(ticket_id: TicketId) -> TicketView:
        """One ticket and the grade that it was given."""
        return await db.read(lambda conn: ticket_view(service.ticket(conn, ticket_id), service.rating(conn, ticket_id)))

    @routes.post("/tickets/{ticket_id}/cancel")
    async def cancel_ticket(ticket_id: TicketId, idempotency_key: IdempotencyKey) -> TicketView:
        """The citizen does not need it any more; 409 once the citizen is being served."""

        def cancel(tx: Tx) -> dict[str, Any]:
            return ticket_view(service.tickets.cancel(tx, ticket_id, Actor.CLERK)).model_dump(mode="json")

        return TicketView.model_validate(await keyed.do(f"cancel/{ticket_id}", idempotency_key, {}, cancel))


def _add_counter_doors(routes: APIRouter, service: QueueService, keyed: _Keyed) -> None:
    def door(step: CounterStep, summary: str) -> None:
        async def turn(
            counter: CounterName, idempotency_key: IdempotencyKey, asked: OpenCounter | None = None
        ) -> CounterView:
            body = asked or OpenCounter()

            def work(tx: Tx) -> dict[str, Any]:
                changed = service.counters.turn(tx, counter, step, body.clerk)
                return counter_view(changed, {}).model_dump(mode="json")

            answer = await keyed.do(f"{step}/{counter}", idempotency_key, body.model_dump(), work)
            return CounterView.model_validate(answer)

        path = f"/counters/{{counter}}/{step}"
        routes.add_api_route(path, turn, methods=["POST"], summary=summary, name=f"{step}_counter")

    door(CounterStep.OPEN, "Begin to call citizens")
    door(CounterStep.PAUSE, "Stop calling for a while; 409 while a citizen is here")
    door(CounterStep.CLOSE, "Stop calling for today; 409 while a citizen is here")


def _add_calls(routes: APIRouter, service: QueueService, keyed: _Keyed) -> None:
    Act = Callable[[Tx, str], tuple[Counter, Ticket]]  # noqa: N806 - a type

    def call(path: str, act: Act, summary: str) -> None:
        async def run(counter: CounterName, idempotency_key: IdempotencyKey) -> CounterView:
            answer = await keyed.do(f"{path}/{counter}", idempotency_key, {}, lambda tx: _seen(*act(tx, counter)))
            return CounterView.model_validate(answer)

        name = f"{path.replace('-', '_')}_counter"
        routes.add_api_route(f"/counters/{{counter}}/{path}", run, methods=["POST"], summary=summary, name=name)

    call("call-next", service.counters.call_next, "Call the oldest ticket of the counter's services")
    call("start", service.counters.start, "The citizen is here")
    call("finish", service.counters.finish, "The citizen is done; the pad asks for a grade")
    call("no-show", service.counters.no_show, "The citizen did not come")

    @routes.post("/counters/{counter}/recall")
    async def recall_counter(
        counter: CounterName, idempotency_key: IdempotencyKey, asked: RecallTicket | None = None
    ) -> CounterView:
        """Call the ticket in hand again, or one that was passed over today."""
        body = asked or RecallTicket()

        def work(tx: Tx) -> dict[str, Any]:
            return _seen(*service.counters.recall(tx, counter, body.ticket_id))

        return CounterView.model_validate(await keyed.do(f"recall/{counter}", idempotency_key, body.model_dump(), work))


def _seen(counter: Counter, ticket: Ticket) -> dict[str, Any]:
    """The counter with the ticket that the step was about, also when the counter is free again."""
    shown = counter_view(counter, {ticket.ticket_id: ticket})
    return shown.model_copy(update={"ticket": ticket_view(ticket)}).model_dump(mode="json")
