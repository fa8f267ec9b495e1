"""What clerks do: open and pause a counter, call, serve, finish."""

from collections.abc import Mapping

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, Invalid, NotFound
from cloud.queues.model import Counter, CounterState, HallPlan, Ticket
from cloud.queues.service.announcements import Announcer
from cloud.queues.service.news import counter_fact, ticket_fact
from cloud.queues.service.tickets import TicketDesk, step_to
from cloud.queues.states import CounterStep, after
from cloud.queues.store import counters, tickets
from cloud.storage.unit_of_work import Tx
from device_profiles.errors import HallRuleError
from device_profiles.hall.calling import check_recall
from device_profiles.hall.ticket_states import Actor, TicketState, TicketStep

_FACTS = {CounterStep.OPEN: "opened", CounterStep.PAUSE: "paused", CounterStep.CLOSE: "closed"}


class CounterDesk:
    """The counters of all halls. Every method takes the counter's name: ``c1`` or ``hall:c1``."""

    def __init__(self, plans: Mapping[str, HallPlan], desk: TicketDesk, announcer: Announcer, clock: Clock) -> None:
        self._plans = plans
        self._desk = desk
        self._announcer = announcer
        self._clock = clock

    def turn(self, tx: Tx, name: str, step: CounterStep, clerk: str = "") -> Counter:
        """Open, pause or close. Raises Conflict while a citizen stands at the counter."""
        counter = counters.get(tx.conn, name)
        state = after(counter.state, step)
        if counter.ticket_id and step is not CounterStep.OPEN:
            raise Conflict(f"counter {counter.counter}: a citizen is here; finish or pass over the number first")
        changed = counters.change(tx.conn, counter, state=state, clerk=self._clerk(counter, clerk))
        counter_fact(tx, _FACTS[step], changed, self._clock.now())
        self._announcer.freed(tx, changed)
        return changed

    def call_next(self, tx: Tx, name: str) -> tuple[Counter, Ticket]:
        """Call the oldest ticket of the counter's services; who calls is at work, so this opens the counter too.

        Raises Conflict when nobody waits or somebody is here.
        """
        if counters.get(tx.conn, name).state is not CounterState.OPEN:
            self.turn(tx, name, CounterStep.OPEN)
        counter = self._free(tx, name)
        claim = {"counter": counter.counter, "clerk": counter.clerk, "called_ms": to_ms(self._clock.now())}
        day = counters.day_of(tx.conn, counter.hall)
        ticket = tickets.claim_next(tx.conn, counter.hall, day, counter.services, claim)
        if ticket is None:
            raise Conflict(f"counter {counter.counter}: nobody waits for {', '.join(counter.services) or 'nothing'}")
        return self._called(tx, counter, ticket, "called")

    def recall(self, tx: Tx, name: str, ticket_id: str = "") -> tuple[Counter, Ticket]:
        """Call the ticket in hand again, or a citizen of today who was missed and has come after all."""
        if ticket_id:
            return self._call_missed(tx, self._free(tx, name), ticket_id)
        counter, ticket = self._in_hand(tx, name)
        state = step_to(ticket, TicketStep.RECALL)
        try:
            check_recall(ticket.calls)
        except HallRuleError as error:
            raise Conflict(f"{ticket.number}: {error}") from error
        ticket = tickets.change(tx.conn, ticket, state=state, calls=ticket.calls + 1)
        return self._called(tx, counter, ticket, "recalled")

    def start(self, tx: Tx, name: str) -> tuple[Counter, Ticket]:
        """The citizen is here."""
        counter, ticket = self._in_hand(tx, name)
        now = self._clock.now()
        state = step_to(ticket, TicketStep.START)
        ticket = tickets.change(tx.conn, ticket, state=state, started_ms=to_ms(now))
        ticket_fact(tx, "serving", ticket, now)
        return counter, ticket

    def finish(self, tx: Tx, name: str) -> tuple[Counter, Ticket]:
        """The citizen is done; the pad asks for a grade."""
        counter, ticket = self._in_hand(tx, name)
        ticket = self._desk.leave(tx, ticket, TicketStep.FINISH, Actor.CLERK)
        counter = self._again(tx, counter)
        self._announcer.finished(tx, counter, ticket)
        return counter, ticket

    def no_show(self, tx: Tx, name: str) -> tuple[Counter, Ticket]:
        """The citizen did not come."""
        counter, ticket = self._in_hand(tx, name)
        ticket = self._desk.leave(tx, ticket, TicketStep.NO_SHOW, Actor.CLERK)
        counter = self._again(tx, counter)
        self._announcer.freed(tx, counter)
        return counter, ticket

    def change_services(self, tx: Tx, name: str, services: tuple[str, ...]) -> Counter:
        """Let the counter call other services from its next call on. Raises Invalid for an unknown service."""
        counter = counters.get(tx.conn, name)
        unknown = set(services) - set(self._plans[counter.hall].services)
        if unknown or not services:
            raise Invalid(f"counter {counter.counter}: expected services of the hall, got {sorted(services)}")
        changed = counters.change(tx.conn, counter, services=list(services))
        counter_fact(tx, "services_changed", changed, self._clock.now())
        return changed

    def _call_missed(self, tx: Tx, counter: Counter, ticket_id: str) -> tuple[Counter, Ticket]:
        ticket = tickets.get(tx.conn, ticket_id)
        today = counters.day_of(tx.conn, counter.hall)
        if ticket.state is not TicketState.NO_SHOW or (ticket.hall, ticket.day) != (counter.hall, today):
            raise Conflict(f"{ticket.number}: expected a number passed over today, it is {ticket.state}")
        if ticket.service not in counter.services:
            raise Conflict(f"{ticket.number}: counter {counter.counter} does not call {ticket.service}")
        ticket = tickets.change(
            tx.conn,
            ticket,
            state=step_to(ticket, TicketStep.RECALL),
            calls=ticket.calls + 1,
            counter=counter.counter,
            clerk=counter.clerk,
            ended_ms=None,
        )
        return self._called(tx, counter, ticket, "recalled")

    def _called(self, tx: Tx, counter: Counter, ticket: Ticket, what: str) -> tuple[Counter, Ticket]:
        now = self._clock.now()
        counter = counters.change(tx.conn, counter, ticket_id=ticket.ticket_id)
        tickets.add_call(tx.conn, ticket, to_ms(now))
        ticket_fact(tx, what, ticket, now)
        self._announcer.called(tx, counter, ticket)
        return counter, ticket

    def _free(self, tx: Tx, name: str) -> Counter:
        counter = counters.get(tx.conn, name)
        if counter.state is not CounterState.OPEN:
            raise Conflict(f"counter {counter.counter} is {counter.state}: open it first")
        if counter.ticket_id:
            raise Conflict(f"counter {counter.counter}: a citizen is here; finish or pass over the number first")
        return counter

    def _in_hand(self, tx: Tx, name: str) -> tuple[Counter, Ticket]:
        counter = counters.get(tx.conn, name)
        if not counter.ticket_id:
            raise Conflict(f"counter {counter.counter}: no number is called here; call the next one first")
        return counter, tickets.get(tx.conn, counter.ticket_id)

    def _clerk(self, counter: Counter, clerk: str) -> str:
        known = {one.id for one in self._plans[counter.hall].profile.clerks}
        if clerk and clerk not in known:
            raise NotFound(f"clerk {clerk[:40]!r}: not known in hall {counter.hall}")
        return clerk or counter.clerk

    @staticmethod
    def _again(tx: Tx, counter: Counter) -> Counter:
        return counters.get(tx.conn, f"{counter.hall}:{counter.counter}")
