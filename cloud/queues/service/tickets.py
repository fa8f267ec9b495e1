"""How tickets come into the queue and leave it without being called."""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from pydantic import ValidationError

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, Invalid, NotFound
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.queues.model import Counter, HallPlan, Ticket
from cloud.queues.service.announcements import Announcer
from cloud.queues.service.leases import NumberLeases
from cloud.queues.service.news import ticket_fact
from cloud.queues.store import counters, leases, tickets
from cloud.storage.unit_of_work import Tx
from device_profiles.errors import HallRuleError
from device_profiles.hall.numbers import format_number, holds, parse_number
from device_profiles.hall.ticket_states import Actor, TicketState, TicketStep, after
from device_profiles.messages.body import first_problem
from device_profiles.messages.facts import TicketIssued


class TicketDesk:
    """Takes in tickets that machines and staff issue."""

    def __init__(
        self, plans: Mapping[str, HallPlan], numbers: NumberLeases, announcer: Announcer, clock: Clock
    ) -> None:
        self._plans = plans
        self._numbers = numbers
        self._announcer = announcer
        self._clock = clock

    def issue(self, tx: Tx, hall: str, service: str) -> Ticket:
        """A ticket from staff, on screen only. Raises NotFound for a hall or service that is not known."""
        plan = self._plans.get(hall)
        if plan is None or service not in plan.services:
            raise NotFound(f"hall {hall[:60]!r}, service {service[:40]!r}: not known here")
        now, day = self._clock.now(), counters.day_of(tx.conn, hall)
        number = format_number(plan.services[service].prefix, self._numbers.take_for_staff(tx, hall, service, day))
        ticket = Ticket(
            ticket_id=new_id("t"),
            hall=hall,
            service=service,
            number=number,
            token=secrets.token_urlsafe(16),
            day=day,
            state=TicketState.WAITING,
            medium="screen",
            subject="",
            machine="",
            issued_ms=to_ms(now),
        )
        tickets.add(tx.conn, ticket)
        ticket_fact(tx, "waiting", ticket, now)
        return ticket

    def take_issued(self, tx: Tx, fact: Fact) -> None:
        """``ticket.issued``: a machine has handed this ticket out. Taken once, however often it is told.

        Raises Invalid for what makes no sense and Conflict for a number that is not the machine's to give or is
        given twice: the message then goes to quarantine.
        """
        plan = self._plan_of_machine(fact.machine)
        ticket = self._read(tx, plan, fact)
        known = tickets.find(tx.conn, ticket.ticket_id)
        if known is not None:
            _must_match(known, ticket)
            return
        self._check_number(tx, ticket)
        tickets.add(tx.conn, ticket)
        ticket_fact(tx, str(ticket.state), ticket, fact.at)
        if ticket.state is TicketState.WAITING:
            self._numbers.refill(tx, plan, fact.machine, ticket.service, ticket.day)

    def cancel(self, tx: Tx, ticket_id: str, actor: Actor) -> Ticket:
        """The citizen does not need it any more. Raises NotFound, or Conflict when it is too late."""
        return self.leave(tx, tickets.get(tx.conn, ticket_id), TicketStep.CANCEL, actor)

    def leave(self, tx: Tx, ticket: Ticket, step: TicketStep, actor: Actor) -> Ticket:
        """Take a step that ends the ticket's time in the queue, and free its counter."""
        now = self._clock.now()
        changed = tickets.change(tx.conn, ticket, state=step_to(ticket, step, actor), ended_ms=to_ms(now))
        for counter in counters.of_hall(tx.conn, ticket.hall):
            if counter.ticket_id == ticket.ticket_id:
                self._free(tx, counter, step)
        ticket_fact(tx, str(changed.state), changed, now)
        return changed

    def _free(self, tx: Tx, counter: Counter, step: TicketStep) -> None:
        freed = counters.change(tx.conn, counter, ticket_id="")
        if step is TicketStep.CANCEL:
            self._announcer.freed(tx, freed)

    def _read(self, tx: Tx, plan: HallPlan, fact: Fact) -> Ticket:
        try:
            body = TicketIssued.model_validate(dict(fact.data), extra="ignore")
        except ValidationError as error:
            raise Invalid(f"ticket.issued of {fact.machine}: {first_problem(error)}") from error
        service = plan.services.get(body.service)
        if service is None:
            raise Invalid(f"ticket.issued of {fact.machine}: service {body.service!r} is not known in this hall")
        try:
            prefix, _ = parse_number(body.number)
        except HallRuleError as error:
            raise Invalid(f"ticket.issued of {fact.machine}: {error}") from error
        if prefix != service.prefix:
            raise Invalid(f"ticket.issued of {fact.machine}: expected prefix {service.prefix}, got {body.number}")
        return self._ticket(tx, plan, fact, body)

    def _ticket(self, tx: Tx, plan: HallPlan, fact: Fact, body: TicketIssued) -> Ticket:
        over = body.day < counters.day_of(tx.conn, plan.profile.id)
        return Ticket(
            ticket_id=body.ticket_id,
            hall=plan.profile.id,
            service=body.service,
            number=body.number,
            token=body.token,
            day=body.day,
            state=TicketState.CANCELLED if over else TicketState.WAITING,
            medium=body.medium,
            subject=body.subject,
            machine=fact.machine,
            issued_ms=to_ms(self._not_after_now(fact.at)),
        )

    def _not_after_now(self, at: datetime) -> datetime:
        return min(at, self._clock.now())  # a machine whose clock runs ahead must not push others back

    def _check_number(self, tx: Tx, ticket: Ticket) -> None:
        number = parse_number(ticket.number)[1]
        held = leases.blocks(tx.conn, ticket.hall, ticket.day, ticket.service, ticket.machine)
        if not holds(held, number):
            raise Conflict(f"ticket {ticket.number} of {ticket.day}: the number is not leased to {ticket.machine}")
        other = tickets.find_number(tx.conn, ticket.hall, ticket.day, ticket.number)
        if other is not None:
            raise Conflict(f"ticket {ticket.number} of {ticket.day}: given before, as {other.ticket_id}")
        if tickets.find_token(tx.conn, ticket.token) is not None:
            raise Conflict(f"ticket {ticket.number} of {ticket.day}: its token opens another ticket")

    def _plan_of_machine(self, machine: str) -> HallPlan:
        for plan in self._plans.values():
            if machine in plan.ticket_machines:
                return plan
        raise Invalid(f"ticket.issued of {machine[:63]!r}: expected a machine that hands out tickets")


def step_to(ticket: Ticket, step: TicketStep, actor: Actor = Actor.CLERK) -> TicketState:
    """The state after ``step``. Raises Conflict in the hall's words."""
    try:
        return after(ticket.state, step, actor)
    except HallRuleError as error:
        raise Conflict(f"{ticket.number}: {error}") from error


def _must_match(known: Ticket, told: Ticket) -> None:
    same = replace(told, state=known.state, issued_ms=known.issued_ms)
    if any(getattr(known, name) != getattr(same, name) for name in ("number", "day", "service", "token", "machine")):
        raise Conflict(f"ticket {told.ticket_id}: told before as {known.number} of {known.day}, now as {told.number}")
