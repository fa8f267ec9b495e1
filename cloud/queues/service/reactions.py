"""What machines report to the queue: a clerk's key, a citizen's grade."""

from collections.abc import Callable, Mapping

from pydantic import ValidationError

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict, Invalid
from cloud.core.facts import Fact
from cloud.queues.model import Counter
from cloud.queues.service.announcements import NOBODY_TEXT, Announcer
from cloud.queues.service.counters import CounterDesk
from cloud.queues.service.news import counter_fact, ticket_fact
from cloud.queues.states import CounterStep
from cloud.queues.store import counters, tickets
from cloud.storage.unit_of_work import Tx
from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.evaluator import Rated
from device_profiles.hall.ticket_states import TicketState
from device_profiles.messages.body import first_problem

CALL_MAX_AGE_S = 60
"""A key that calls somebody counts only while the clerk may still be waiting for its effect."""

_CALLS = {CallerKey.CALL_NEXT, CallerKey.RECALL}
_RATED_STATES = {TicketState.SERVING, TicketState.DONE}


class MachineReports:
    """Reactions to ``caller.key_pressed`` and ``evaluator.rated``."""

    def __init__(self, desk: CounterDesk, announcer: Announcer, clock: Clock) -> None:
        self._announcer = announcer
        self._clock = clock
        self._keys: Mapping[CallerKey, Callable[[Tx, str], object]] = {
            CallerKey.CALL_NEXT: desk.call_next,
            CallerKey.RECALL: desk.recall,
            CallerKey.START: desk.start,
            CallerKey.FINISH: desk.finish,
            CallerKey.NO_SHOW: desk.no_show,
            CallerKey.PAUSE: lambda tx, name: desk.turn(tx, name, CounterStep.PAUSE),
            CallerKey.OPEN: lambda tx, name: desk.turn(tx, name, CounterStep.OPEN),
        }

    def on_key(self, tx: Tx, fact: Fact) -> None:
        """A clerk pressed a key. What the rules refuse is shown to the clerk and told as ``counter.key_refused``."""
        try:
            key = KeyPressed.model_validate(dict(fact.data), extra="ignore").key
        except ValidationError as error:
            raise Invalid(f"caller.key_pressed of {fact.machine}: {first_problem(error)}") from error
        counter = self._counter(tx, fact)
        age_s = (self._clock.now() - fact.at).total_seconds()
        if key in _CALLS and age_s > CALL_MAX_AGE_S:
            self._refuse(tx, counter, fact, key, f"pressed {age_s:.0f} s ago: too late to call anybody")
            return
        try:
            with tx.savepoint():
                self._keys[key](tx, f"{counter.hall}:{counter.counter}")
        except Conflict as error:
            self._refuse(tx, counter, fact, key, str(error))

    def on_rated(self, tx: Tx, fact: Fact) -> None:
        """A citizen gave a grade: stored once per ticket, without a word about who gave it."""
        try:
            rated = Rated.model_validate(dict(fact.data), extra="ignore")
        except ValidationError as error:
            raise Invalid(f"evaluator.rated of {fact.machine}: {first_problem(error)}") from error
        counter = self._counter(tx, fact)
        if not rated.subject:
            return  # the pad was touched while it asked nobody: there is no visit that this grade could be of
        ticket = tickets.find(tx.conn, rated.subject)
        if ticket is None or (ticket.hall, ticket.counter) != (counter.hall, counter.counter):
            raise Conflict(f"evaluator.rated of {fact.machine}: ticket {rated.subject[:64]!r} was not served there")
        if ticket.state not in _RATED_STATES:
            raise Conflict(f"evaluator.rated of {fact.machine}: {ticket.number} is {ticket.state}, not served")
        if tickets.add_rating(tx.conn, ticket, rated.grade, to_ms(fact.at)):
            ticket_fact(tx, "rated", ticket, self._clock.now())
            self._announcer.thanked(tx, counter, ticket)

    def _refuse(self, tx: Tx, counter: Counter, fact: Fact, key: CallerKey, reason: str) -> None:
        counter_fact(tx, "key_refused", counter, self._clock.now(), key=str(key), reason=reason)
        if key is CallerKey.CALL_NEXT and not counter.ticket_id:
            self._announcer.told(tx, counter, f"key:{fact.machine}:{fact.epoch}:{fact.sequence}", NOBODY_TEXT)

    @staticmethod
    def _counter(tx: Tx, fact: Fact) -> Counter:
        counter = counters.at_machine(tx.conn, fact.machine)
        if counter is None:
            raise Invalid(f"{fact.type} of {fact.machine[:63]!r}: expected the machine of a counter")
        return counter
