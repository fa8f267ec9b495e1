"""What alerts ask of the fleet, and dispatch of the queue."""

from dataclasses import dataclass

from cloud.alerts.service import PRESENCE_FIELD, RECORD_FIELD
from cloud.alerts.states.advice import FACTS_CODE, OFFLINE_CODE
from cloud.dispatch.model import CounterNow, HallNow, ServiceNow
from cloud.fleet.model import Register
from cloud.fleet.service import FleetService
from cloud.ingest.gaps import is_missing_facts
from cloud.queues.model import Board, Counter, CounterState, HallPlan
from cloud.queues.service import QueueService
from cloud.storage.reading import Connection
from cloud.storage.tx import Tx
from device_profiles.messages.topics import AGENT_SLOT


@dataclass(frozen=True, slots=True)
class Faults:
    """What alerts ask of the fleet."""

    fleet: FleetService
    register: Register

    def fault_now(self, tx: Tx, machine: str, slot: str, field: str) -> str | None:
        """The code of the fault that a status field, or the machine as a whole, shows now.

        A wrong clock is the machine's word: a person may say at any time that it is over.
        """
        if slot != AGENT_SLOT:
            return self.fleet.fault_now(tx, machine, slot, field)
        if field == RECORD_FIELD:
            return FACTS_CODE if is_missing_facts(tx.conn, machine) else None
        return OFFLINE_CODE if field == PRESENCE_FIELD and not self.fleet.is_online(tx, machine) else None


@dataclass(frozen=True, slots=True)
class Halls:
    """What dispatch asks of the queue."""

    queues: QueueService

    def hall_now(self, conn: Connection, hall: str) -> HallNow:
        """A hall in the words of dispatch."""
        board, plan = self.queues.board.board(conn, hall), self.queues.plans[hall]
        return HallNow(hall, _services_now(board), tuple(_counter_now(plan, one) for one in board.counters))

    def change_services(self, tx: Tx, hall: str, counter: str, services: tuple[str, ...]) -> object:
        """Let a counter call other services."""
        return self.queues.counters.change_services(tx, f"{hall}:{counter}", services)


def _services_now(board: Board) -> tuple[ServiceNow, ...]:
    return tuple(
        ServiceNow(
            service=line.service.id,
            name_zh=line.service.name_zh,
            name_en=line.service.name_en,
            waiting=line.waiting,
            target_s=line.service.target_wait_s,
            mean_service_s=line.service.mean_service_s,
            open_counters=line.open_counters,
            idle_counters=line.idle_counters,
        )
        for line in board.lines
    )


def _counter_now(plan: HallPlan, counter: Counter) -> CounterNow:
    clerk = next((one for one in plan.profile.clerks if one.id == counter.clerk), None)
    return CounterNow(
        counter=counter.counter,
        number=counter.number,
        is_open=counter.state is CounterState.OPEN,
        busy=bool(counter.ticket_id),
        clerk=counter.clerk,
        clerk_name=clerk.name if clerk else counter.clerk,
        services=counter.services,
        skills=frozenset(clerk.skills if clerk else ()),
    )
