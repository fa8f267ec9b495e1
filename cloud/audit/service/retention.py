"""The end of what is personal: by age, class by class, and for one person at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cloud.audit.service.ports import CHUNK, DataClass, People
from cloud.audit.service.record import AuditService
from cloud.audit.states.checking import PURGED
from cloud.audit.store import entries
from cloud.core.clock import Clock, to_ms
from cloud.core.errors import Conflict
from cloud.core.ids import new_id
from cloud.storage.tx import Tx

AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure came to; ``erasure_id`` is the person's receipt."""

    erasure_id: str
    at_ms: int
    ended: dict[str, int]


class RetentionService:
    """``classes``: what ends by age. ``people``: what ends when a person asks for it."""

    def __init__(
        self, classes: Sequence[DataClass], audit_days: int, people: People, audit: AuditService, clock: Clock
    ) -> None:
        self._people = people
        self._audit = audit
        self._clock = clock
        self.classes = (*classes, DataClass(AUDIT, audit_days, self._end_entries))

    def end_old(self, tx: Tx, before_ms: int, kept: DataClass) -> int:
        """End a portion of what is older than ``before_ms``; 0 when nothing is left. Each portion is recorded."""
        ended = kept.end(tx, before_ms, CHUNK)
        if ended and kept.name != AUDIT:  # the record tells of its own end by itself
            self._audit.note(tx, "retention.ended", kept.name, {"rows": ended, "before_ms": before_ms})
        return ended

    def erase(self, tx: Tx, subject: str) -> Erasure:
        """Remove or blind what belongs to the person with this token. The record says that it was done, not for whom.

        Raises Conflict while a case of the person is running.
        """
        running = self._people.running(tx, subject)
        if running:
            raise Conflict(f"case {running[0]}: it is still running and needs what is sealed; let it end, then erase")
        erasure = Erasure(new_id("erasure"), to_ms(self._clock.now()), self._people.erase(tx, subject))
        self._audit.note(tx, "person.erased", erasure.erasure_id, erasure.ended)
        return erasure

    def _end_entries(self, tx: Tx, before_ms: int, _limit: int) -> int:
        tx.flush()  # what this unit wrote down is part of the chain that is cut
        through = entries.over(tx.conn, before_ms)
        if through is None:
            return 0
        ended = entries.remove_through(tx.conn, through.sequence)
        detail = {"through": through.sequence, "hash": through.hash, "rows": ended}
        self._audit.note(tx, PURGED, str(through.sequence), detail)
        return ended


class KeyRotation:
    """What follows when the key that machines seal to has changed."""

    def __init__(self, audit: AuditService, reseal: Callable[[Tx, int], int]) -> None:
        self._audit = audit
        self._reseal = reseal

    def reseal(self, tx: Tx) -> int:
        """Seal a portion of what is sealed to an old key anew; 0 when nothing is left."""
        ended = self._reseal(tx, CHUNK)
        if ended:
            self._audit.note(tx, "keys.resealed", "", {"rows": ended})
        return ended
