"""What follows a revocation: the list beside the broker, the end of live connections; and warnings before an expiry."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cloud.core.clock import Clock, to_ms
from cloud.core.errors import HallfleetError, Invalid
from cloud.core.facts import Fact
from cloud.core.metrics import Metrics
from cloud.enrolment import store
from cloud.enrolment.model import Ended
from cloud.enrolment.service import ENDINGS, ISSUED, REVOKED, SILENCED, EnrolmentService
from cloud.enrolment.service.admission import Admission
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database, Tx

log = logging.getLogger(__name__)

LOOK_S = 2.0
REWRITTEN_EVERY_S = 86_400.0
# A broker that something else reloads may be late: once more when it surely has the list.
EVICTED_AFTER_S = (0.0, 3.0, 15.0, 45.0)
FRESH_MS = 600_000
REVOKED_MACHINES = "hallfleet_revoked_machines"
LIST_FAILURES = "hallfleet_revocation_list_failures_total"


class ListFile(Protocol):
    """Where the broker reads its list."""

    def read(self) -> bytes | None:
        """What is there, None when nothing is."""
        ...

    def write(self, pem: bytes) -> None:
        """Replace it. Raises Unavailable."""
        ...


class BrokerHands(Protocol):
    """What is done to the broker."""

    async def reload(self) -> None:
        """Make it read the list. Raises Unavailable."""
        ...

    async def evict(self, machine: str) -> None:
        """End whatever connection ``machine`` has. Raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class _View:
    """What the store says."""

    mark: tuple[int, int]
    revoked: dict[str, int]
    ended: list[Ended]


@dataclass(slots=True)
class _Due:
    """Machines whose connections are to be ended, and when the next tries are."""

    at: dict[str, list[float]] = field(default_factory=dict)

    def add(self, machine: str, now: float) -> None:
        self.at[machine] = [now + after for after in EVICTED_AFTER_S]

    def take(self, now: float) -> list[str]:
        """The machines that are due."""
        due = [machine for machine, times in self.at.items() if times[0] <= now]
        for machine in due:
            self.at[machine] = [at for at in self.at[machine] if at > now]
            if not self.at[machine]:
                del self.at[machine]
        return due


class RevocationPublisher:
    """Keeps the broker's list and the cloud's own memory at what the store says, whichever process wrote it."""

    def __init__(
        self,
        db: Database,
        service: EnrolmentService,
        admission: Admission,
        file: ListFile,
        broker: BrokerHands,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._db, self._service, self._admission = db, service, admission
        self._file, self._broker = file, broker
        self._clock, self._metrics = clock, metrics
        self._heard = asyncio.Event()
        self._mark: tuple[int, int] | None = None
        self._due = _Due()
        self._written_at = 0.0
        self._list_at_ms = 0
        metrics.describe(REVOKED_MACHINES, "gauge", "Machines that may say nothing until they are enrolled anew")
        metrics.describe(LIST_FAILURES, "counter", "Revocation lists that could not be given to the broker")

    def heard(self, facts: Sequence[Fact]) -> None:
        """After a commit: shut out at once, before whoever asked for it has the answer."""
        for fact in facts:
            if fact.type == SILENCED:
                self._admission.shut_out(fact.machine, to_ms(fact.at))
            elif fact.type == ISSUED:
                self._admission.let_in(fact.machine)
            if fact.type in (REVOKED, SILENCED):
                self._due.add(fact.machine, _loop_time())
            if fact.type in (*ENDINGS, SILENCED):
                self._heard.set()

    async def run(self) -> None:
        """Look, publish and evict, until cancelled."""
        while True:
            self._heard.clear()
            await self.look()
            for machine in self._due.take(_loop_time()):
                await self._end_connection(machine)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._heard.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read the store; write the list when it says something new."""
        alive_at_ms = to_ms(self._clock.now())
        view = await self._db.read(lambda conn: _view(conn, alive_at_ms))
        stale = _loop_time() - self._written_at > REWRITTEN_EVERY_S
        if view.mark == self._mark and not stale:
            return
        self._note(view)
        await self._wait_for_the_next_second()
        try:
            self.write_list(view.ended)
            await self._broker.reload()
        except HallfleetError as error:
            self._metrics.count(LIST_FAILURES)
            log.error("revocation list: %s; trying again", error)
            return
        self._mark, self._written_at = view.mark, _loop_time()

    def write_list(self, ended: Sequence[Ended]) -> None:
        """Write the list: ``ended`` and what the present file names. Raises Unavailable."""
        known = {one.serial: one for one in (*self._on_file(), *ended)}
        now = self._clock.now().replace(microsecond=0)
        self._list_at_ms = to_ms(now)
        self._file.write(self._service.authority.revocations(list(known.values()), to_ms(now), now))
        self._service.listed = frozenset(known)

    def _on_file(self) -> list[Ended]:
        """What the broker was told before: a store that was restored from a backup may have forgotten it."""
        try:
            pem = self._file.read()
            return [] if pem is None else self._service.authority.read_revocations(pem)
        except (OSError, Invalid) as error:
            log.error("revocation list: %s; written anew", error)
            return []

    def _note(self, view: _View) -> None:
        for machine, since_ms in view.revoked.items():
            fresh = since_ms > to_ms(self._clock.now()) - FRESH_MS
            if machine not in self._admission.revoked and fresh:  # another process revoked it
                self._due.add(machine, _loop_time())
        self._admission.revoked = view.revoked
        self._metrics.gauge(REVOKED_MACHINES, len(view.revoked))

    async def _wait_for_the_next_second(self) -> None:
        # OpenSSL tells lists apart by their second: of two from the same one it keeps the first.
        since_ms = to_ms(self._clock.now()) - self._list_at_ms
        if 0 <= since_ms < 1000:
            await asyncio.sleep((1000 - since_ms) / 1000)

    async def _end_connection(self, machine: str) -> None:
        try:
            await self._broker.evict(machine)
        except HallfleetError as error:
            log.warning("revocation: %s", error)


class ExpiryWatch:
    """Says once a day which machines' certificates are about to end without a successor."""

    def __init__(self, db: Database, service: EnrolmentService, hall_of: Callable[[str], str | None], clock: Clock):
        self._db, self._service, self._hall_of, self._clock = db, service, hall_of, clock
        self._every_s = min(86_400.0, service.rules.lifetime.total_seconds() / 20)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._db.write(self._tell)
            await asyncio.sleep(self._every_s)

    def _tell(self, tx: Tx) -> None:
        for fact in self.facts(tx.conn):
            tx.publish(fact)

    def facts(self, conn: Connection) -> list[Fact]:
        """``certificate.expiring`` for every machine that should have renewed long ago."""
        now, rules = self._clock.now(), self._service.rules
        soon = now + min(rules.warn_before, rules.lifetime / 6)
        found = []
        for one in store.expiring(conn, to_ms(soon)):
            if (hall := self._hall_of(one.machine)) is not None:
                left_s = (one.not_after_ms - to_ms(now)) / 1000
                data = {"serial": one.serial, "not_after_ms": one.not_after_ms, "left_s": left_s}
                found.append(Fact("certificate.expiring", now, data, one.machine, hall=hall))
        return found


def _view(conn: Connection, alive_at_ms: int) -> _View:
    return _View(store.count_ended(conn), store.revoked_machines(conn), store.ended(conn, alive_at_ms))


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
