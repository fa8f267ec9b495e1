"""Looks at a hall, proposes moves, and carries out those that staff accept."""

from collections.abc import Collection
from typing import Protocol

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, NotFound
from cloud.core.facts import Fact
from cloud.core.ids import new_id
from cloud.dispatch import store
from cloud.dispatch.model import Candidate, HallNow, Proposal, ProposalState
from cloud.dispatch.states import FIRST, ProposalStep, after
from cloud.dispatch.states.idle_donor import candidates, donors, needy, predicted_s, reasons
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Tx

REST_S = 20 * 60.0
EXPIRES_S = 5 * 60.0
OUTCOME_AFTER_S = 10 * 60.0


class HallReader(Protocol):
    """Knows how halls stand."""

    def hall_now(self, conn: Connection, hall: str) -> HallNow:
        """A hall at this moment. Raises NotFound."""
        ...


class CounterMover(Protocol):
    """Changes what counters call."""

    def change_services(self, tx: Tx, hall: str, counter: str, services: tuple[str, ...]) -> object:
        """Let the counter call these services from its next call on."""
        ...


class DispatchService:
    """The use cases of dispatch. A counter rests for ``rest_s`` after each proposal that concerns it."""

    def __init__(
        self, halls: Collection[str], reader: HallReader, mover: CounterMover, clock: Clock, rest_s: float = REST_S
    ) -> None:
        self.halls = tuple(halls)
        self._reader = reader
        self._mover = mover
        self._clock = clock
        self._rest_ms = round(rest_s * 1000)

    def look_everywhere(self, tx: Tx) -> None:
        """Look at every hall."""
        for hall in self.halls:
            self.look(tx, hall)

    def look(self, tx: Tx, hall: str) -> list[Proposal]:
        """Look at a hall now; returns new proposals. What is late expires, what has no reason any more is withdrawn."""
        now_ms, seen = to_ms(self._clock.now()), self._reader.hall_now(tx.conn, hall)
        self._clear(tx, seen, now_ms)
        self._note_outcomes(tx, seen, now_ms)
        resting = store.asked_since(tx.conn, hall, now_ms - self._rest_ms)
        taken = {proposal.to_service for proposal in store.still_open(tx.conn, hall)}
        return [self._propose(tx, hall, found, now_ms) for found in candidates(seen, resting, taken)]

    def accept(self, tx: Tx, proposal_id: str) -> Proposal:
        """Carry it out: the counter calls the pressed service first thing. Raises Conflict when it is settled."""
        proposal = store.get(tx.conn, proposal_id)
        self._refuse_when_late(proposal)
        seen = self._reader.hall_now(tx.conn, proposal.hall)
        counter = next((one for one in seen.counters if one.counter == proposal.counter), None)
        if counter is None or not counter.is_open or counter.clerk != proposal.clerk:
            raise Conflict(f"proposal {proposal_id}: clerk {proposal.clerk} is not at counter {proposal.counter} now")
        settled = self._settle(tx, proposal, ProposalStep.ACCEPT)
        services = (proposal.to_service, *(own for own in counter.services if own != proposal.to_service))
        self._mover.change_services(tx, proposal.hall, proposal.counter, services)
        return settled

    def decline(self, tx: Tx, proposal_id: str) -> Proposal:
        """Not now: the counter is left alone for a while. Raises Conflict when it is settled."""
        return self._settle(tx, store.get(tx.conn, proposal_id), ProposalStep.DECLINE)

    def newest(self, conn: Connection, hall: str) -> list[Proposal]:
        """The hall's proposals, the newest first. Raises NotFound."""
        if hall not in self.halls:
            raise NotFound(f"hall {hall[:60]!r}: there is none with this id")
        return list(store.newest(conn, hall))

    def _propose(self, tx: Tx, hall: str, found: Candidate, now_ms: int) -> Proposal:
        zh, en = reasons(found)
        proposal = Proposal(
            proposal_id=new_id("move"),
            hall=hall,
            counter=found.counter.counter,
            clerk=found.counter.clerk,
            to_service=found.to.service,
            reason_zh=zh,
            reason_en=en,
            figures={
                "waiting": found.to.waiting,
                "target_s": found.to.target_s,
                "before_s": found.before_s,
                "after_s": found.after_s,
                "open_counters": found.to.open_counters,
            },
            state=FIRST,
            made_ms=now_ms,
            expires_ms=now_ms + round(EXPIRES_S * 1000),
        )
        store.add(tx.conn, proposal)
        self._tell(tx, "proposed", proposal)
        return proposal

    def _clear(self, tx: Tx, seen: HallNow, now_ms: int) -> None:
        pressed = {service.service for service in needy(seen)}
        for proposal in store.still_open(tx.conn, seen.hall):
            able = {counter.counter for counter in donors(seen, proposal.to_service)}
            if proposal.expires_ms <= now_ms:
                self._settle(tx, proposal, ProposalStep.EXPIRE)
            elif proposal.to_service not in pressed or proposal.counter not in able:
                self._settle(tx, proposal, ProposalStep.WITHDRAW)

    def _note_outcomes(self, tx: Tx, seen: HallNow, now_ms: int) -> None:
        services = {service.service: service for service in seen.services}
        for proposal in store.without_outcome(tx.conn, seen.hall, now_ms - round(OUTCOME_AFTER_S * 1000)):
            service = services[proposal.to_service]
            found = {"waiting": service.waiting, "wait_s": predicted_s(service), "at_ms": now_ms}
            store.change(tx.conn, proposal, outcome=found)

    def _refuse_when_late(self, proposal: Proposal) -> None:
        if proposal.state is ProposalState.OPEN and proposal.expires_ms <= to_ms(self._clock.now()):
            raise Conflict(f"proposal {proposal.proposal_id}: expired; the hall has changed since")

    def _settle(self, tx: Tx, proposal: Proposal, step: ProposalStep) -> Proposal:
        state, now_ms = after(proposal.state, step), to_ms(self._clock.now())
        settled = store.change(tx.conn, proposal, state=state, settled_ms=now_ms)
        self._tell(tx, str(state), settled)
        return settled

    def _tell(self, tx: Tx, what: str, proposal: Proposal) -> None:
        data = {
            "proposal_id": proposal.proposal_id,
            "counter": proposal.counter,
            "to_service": proposal.to_service,
            "state": str(proposal.state),
        }
        tx.publish(Fact(f"dispatch.{what}", self._clock.now(), data, hall=proposal.hall))
