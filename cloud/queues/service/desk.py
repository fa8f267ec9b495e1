"""The queue's door: one object that routes, reactions and other features talk to."""

from collections.abc import Mapping

from cloud.core.bus import Bus
from cloud.core.clock import Clock
from cloud.queues.model import HallPlan, Ticket
from cloud.queues.service.announcements import Announcer
from cloud.queues.service.board import QueueBoard
from cloud.queues.service.counters import CounterDesk
from cloud.queues.service.days import HallDays
from cloud.queues.service.leases import NumberLeases
from cloud.queues.service.ports import CommandSender, DesiredWriter
from cloud.queues.service.reactions import MachineReports
from cloud.queues.service.tickets import TicketDesk
from cloud.queues.store import tickets
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Tx


class QueueService:
    """``tickets`` and ``counters`` change the queue, ``board`` reads it, ``days`` turns the calendar."""

    def __init__(
        self,
        plans: Mapping[str, HallPlan],
        commands: CommandSender,
        desired: DesiredWriter,
        item_names: Mapping[str, tuple[str, str]],
        clock: Clock,
    ) -> None:
        numbers = NumberLeases(desired, item_names, clock)
        announcer = Announcer(plans, commands)
        self.plans = plans
        self.tickets = TicketDesk(plans, numbers, announcer, clock)
        self.counters = CounterDesk(plans, self.tickets, announcer, clock)
        self.board = QueueBoard(plans, clock)
        self.days = HallDays(plans, self.tickets, numbers, announcer, clock)
        self._reports = MachineReports(self.counters, announcer, clock)

    def subscribe(self, bus: Bus[Tx]) -> None:
        """React to what machines report."""
        bus.on("ticket.issued", self.tickets.take_issued)
        bus.on("caller.key_pressed", self._reports.on_key)
        bus.on("machine.replaced", self.days.on_replaced)
        bus.on("evaluator.rated", self._reports.on_rated)

    def ticket(self, conn: Connection, ticket_id: str) -> Ticket:
        """A ticket by its id. Raises NotFound."""
        return tickets.get(conn, ticket_id)

    def rating(self, conn: Connection, ticket_id: str) -> int | None:
        """The grade that a ticket was given."""
        return tickets.rating_of(conn, ticket_id)

    def waiting(self, conn: Connection, hall: str, day: str) -> list[Ticket]:
        """The first 500 waiting tickets of a hall, in the order in which they will be called."""
        return list(tickets.waiting(conn, hall, day))
