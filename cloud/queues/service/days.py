"""A hall's day: when it ends, nobody waits any more, counters close and numbers begin at 1 again."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from cloud.core.clock import Clock
from cloud.core.facts import Fact
from cloud.queues.model import Counter, CounterState, HallPlan
from cloud.queues.service.announcements import Announcer
from cloud.queues.service.leases import NumberLeases
from cloud.queues.service.news import counter_fact
from cloud.queues.service.tickets import TicketDesk
from cloud.queues.states import FIRST
from cloud.queues.store import counters, tickets
from cloud.storage.unit_of_work import Tx
from device_profiles.hall.ticket_states import Actor, TicketStep


class HallDays:
    """Moves halls from one day to the next, in their own time zones."""

    def __init__(
        self,
        plans: Mapping[str, HallPlan],
        desk: TicketDesk,
        numbers: NumberLeases,
        announcer: Announcer,
        clock: Clock,
    ) -> None:
        self._plans = plans
        self._desk = desk
        self._numbers = numbers
        self._announcer = announcer
        self._clock = clock

    def prepare(self, tx: Tx) -> None:
        """At start-up: know every counter, be in today, and tell every machine with a screen what it needs."""
        for hall, plan in self._plans.items():
            counters.add_missing(tx.conn, [_counter(plan, index) for index in range(len(plan.profile.counters))])
            if not self._roll(tx, hall, plan):
                self._announce(tx, plan, counters.day_of(tx.conn, hall))

    def roll(self, tx: Tx) -> list[str]:
        """Start the new day of every hall whose date has changed; returns their ids."""
        return [hall for hall, plan in self._plans.items() if self._roll(tx, hall, plan)]

    def on_replaced(self, tx: Tx, fact: Fact) -> None:
        """``machine.replaced``: a number must not be printed twice on one day, so the machine gets others."""
        for hall, plan in self._plans.items():
            if fact.machine in plan.screens:
                self._numbers.replace(tx, plan, fact.machine, counters.day_of(tx.conn, hall))

    def _roll(self, tx: Tx, hall: str, plan: HallPlan) -> bool:
        today = self._clock.now().astimezone(ZoneInfo(plan.profile.timezone)).date().isoformat()
        if counters.day_of(tx.conn, hall) >= today:
            return False  # a clock that was set back must not open a day for the second time
        counters.set_day(tx.conn, hall, today)
        for ticket in tickets.unfinished_before(tx.conn, hall, today):
            self._desk.leave(tx, ticket, TicketStep.END_DAY, Actor.HALL)
        for index, counter in enumerate(counters.of_hall(tx.conn, hall)):
            self._close(tx, counter, plan, index)
        self._announce(tx, plan, today)
        return True

    def _close(self, tx: Tx, counter: Counter, plan: HallPlan, index: int) -> None:
        morning = _counter(plan, index) if index < len(plan.profile.counters) else counter
        changed = counters.change(
            tx.conn,
            counter,
            state=CounterState.CLOSED,
            ticket_id="",
            services=list(morning.services),
            clerk=morning.clerk,
        )
        if counter.state is not CounterState.CLOSED:
            counter_fact(tx, "closed", changed, self._clock.now())
            self._announcer.freed(tx, changed)

    def _announce(self, tx: Tx, plan: HallPlan, day: str) -> None:
        for machine in plan.screens:
            self._numbers.announce(tx, plan, machine, day)


def _counter(plan: HallPlan, index: int) -> Counter:
    counter = sorted(plan.profile.counters, key=lambda one: one.number)[index]
    return Counter(
        hall=plan.profile.id,
        counter=counter.id,
        number=counter.number,
        machine=counter.machine,
        state=FIRST,
        clerk=counter.clerk,
        services=tuple(counter.services),
        ticket_id="",
        version=1,
    )
