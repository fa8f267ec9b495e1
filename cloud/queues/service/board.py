"""How the queue stands: per service for staff, per ticket for its holder."""

from collections.abc import Iterable, Mapping

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import NotFound
from cloud.queues.model import Board, Counter, CounterState, HallPlan, Position, ServiceLine, Ticket
from cloud.queues.store import counters, tickets
from cloud.storage.reading import Connection
from device_profiles.hall.ticket_states import TicketState
from device_profiles.hall.waiting import estimate
from device_profiles.schema.hall import Service

_Counts = Mapping[tuple[str, TicketState], tuple[int, int]]


class QueueBoard:
    """Reads the queue; changes nothing."""

    def __init__(self, plans: Mapping[str, HallPlan], clock: Clock) -> None:
        self._plans = plans
        self._clock = clock

    def board(self, conn: Connection, hall: str) -> Board:
        """The whole hall. Raises NotFound."""
        plan = self._plans.get(hall)
        if plan is None:
            raise NotFound(f"hall {hall[:60]!r}: there is none with this id")
        day = counters.day_of(conn, hall)
        standing = tuple(counters.of_hall(conn, hall))
        counts = tickets.counts(conn, hall, day)
        lines = tuple(self._line(service, counts, standing) for service in plan.profile.services)
        held = {ticket.ticket_id: ticket for ticket in tickets.in_hand(conn, hall, day)}
        return Board(hall, day, lines, standing, held)

    def position(self, conn: Connection, token: str) -> Position:
        """What the code on a ticket opens, until the hall's day is over. Raises NotFound."""
        ticket = tickets.find_token(conn, token)
        if ticket is None or ticket.day < counters.day_of(conn, ticket.hall):
            raise NotFound("ticket: this code opens none")
        return self.position_of(conn, ticket)

    def position_of(self, conn: Connection, ticket: Ticket) -> Position:
        """Where a ticket stands now."""
        service = self._plans[ticket.hall].services[ticket.service]
        standing = counters.of_hall(conn, ticket.hall)
        number = next((one.number for one in standing if one.counter == ticket.counter), None)
        if ticket.state is not TicketState.WAITING:
            return Position(ticket, service, None, None, number)
        ahead = tickets.count_ahead(conn, ticket)
        opened, idle = _open_for(service.id, standing)
        return Position(ticket, service, ahead, estimate(ahead, service.mean_service_s, opened, idle), None)

    def history(self, conn: Connection, hall: str, span_s: int = 3600, step_s: int = 60) -> list[tuple[int, int]]:
        """How many people waited, every ``step_s`` of the last ``span_s``: (time in ms, people), oldest first."""
        now_ms = to_ms(self._clock.now())
        first_ms = now_ms - span_s * 1000
        stays = tickets.stays_since(conn, hall, counters.day_of(conn, hall), first_ms)
        if not stays:
            return []
        begin_ms = max(first_ms, min(joined for joined, _ in stays) - step_s * 1000)
        moments = [*range(begin_ms, now_ms, step_s * 1000), now_ms]
        return [(at, sum(joined <= at and (left is None or left > at) for joined, left in stays)) for at in moments]

    def _line(self, service: Service, counts: _Counts, standing: tuple[Counter, ...]) -> ServiceLine:
        def count(state: TicketState) -> int:
            return counts.get((service.id, state), (0, 0))[0]

        waiting, oldest_ms = counts.get((service.id, TicketState.WAITING), (0, 0))
        opened, idle = _open_for(service.id, standing)
        oldest_wait_s = (to_ms(self._clock.now()) - oldest_ms) // 1000 if waiting else 0
        return ServiceLine(
            service=service,
            waiting=waiting,
            called=count(TicketState.CALLED),
            serving=count(TicketState.SERVING),
            served=count(TicketState.DONE),
            no_shows=count(TicketState.NO_SHOW),
            abandoned=count(TicketState.CANCELLED),
            oldest_wait_s=max(0, oldest_wait_s),
            open_counters=opened,
            idle_counters=idle,
            estimate=estimate(waiting, service.mean_service_s, opened, idle),
        )


def _open_for(service: str, standing: Iterable[Counter]) -> tuple[int, int]:
    opened = [one for one in standing if one.state is CounterState.OPEN and service in one.services]
    return len(opened), sum(1 for one in opened if not one.ticket_id)
