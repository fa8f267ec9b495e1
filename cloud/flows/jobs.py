"""The clockwork of cases: department calls that are due, and deadlines that have passed.

Both find their work in the database, so nothing is forgotten when the process ends. An attempt that was under way then
is made again with the same key: departments do a key once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from cloud.core.clock import Clock, to_ms
from cloud.core.facts import Fact
from cloud.flows.model import Answer, Call, Event
from cloud.flows.service import CALL_ASKED, Departments, FlowService, Vault
from cloud.flows.store import calls, cases
from cloud.storage.reading import Connection
from cloud.storage.unit_of_work import Database, Tx

_FIRST_RETRY_S = 0.5
_LONGEST_RETRY_S = 30.0
_LONGEST_NAP_S = 30.0


def backoff_s(attempts: int) -> float:
    """How long to wait after the given number of attempts: 0.5 s, doubled each time, at most 30 s."""
    return min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2.0 ** min(attempts, 10))


class CallRunner:
    """Makes department calls, again and again until they are answered or their patience ends."""

    def __init__(
        self, db: Database, service: FlowService, departments: Departments, vault: Vault, clock: Clock
    ) -> None:
        self._db = db
        self._service = service
        self._departments = departments
        self._vault = vault
        self._clock = clock
        self._wake = asyncio.Event()

    def heard(self, facts: Sequence[Fact]) -> None:
        """After-commit listener: somebody asked a department."""
        if any(fact.type == CALL_ASKED for fact in facts):
            self._wake.set()

    async def run(self) -> None:
        """Make calls until cancelled."""
        while True:
            self._wake.clear()
            if not await self.run_due():
                await _nap(self._wake, await self._db.read(calls.next_attempt), self._clock)

    async def run_due(self) -> int:
        """Make one attempt of every call that is due, side by side; returns how many."""
        due = await self._db.read(lambda conn: calls.due(conn, to_ms(self._clock.now())))
        async with asyncio.TaskGroup() as group:
            for call in due:
                group.create_task(self._attempt(call))
        return len(due)

    async def _attempt(self, call: Call) -> None:
        body = await self._db.read(partial(self._open, call))
        if body is None:
            await self._db.write(lambda tx: self._end(tx, call, Answer("unavailable")))
            return
        answer = await self._departments.call(call.operation, body, call.attempts)
        await self._db.write(lambda tx: self._note(tx, call, answer))

    def _open(self, call: Call, conn: Connection) -> Mapping[str, str | int] | None:
        """The body with its sealed values opened; None when one of them is gone."""
        body = dict(call.body)
        for name, part in calls.sealed_parts(call.body).items():
            sealed = cases.secret(conn, call.case_id, part.secret)
            if sealed is None:
                return None
            body[name] = self._vault.unseal(sealed).get(part.field, "")
        return body

    def _note(self, tx: Tx, call: Call, answer: Answer) -> None:
        now_ms = to_ms(self._clock.now())
        if answer.outcome != "again":
            self._end(tx, call, answer)
        elif now_ms >= call.give_up_ms:
            self._end(tx, call, Answer("unavailable"))
        else:
            calls.put_off(tx.conn, call, now_ms + round(backoff_s(call.attempts) * 1000))

    def _end(self, tx: Tx, call: Call, answer: Answer) -> None:
        if calls.end(tx.conn, call, answer.outcome):
            self._service.apply(tx, call.case_id, Event(call.key, answer.outcome, output=answer.output))


class DeadlineTimer:
    """One timer for all cases: wakes when the next one stops waiting."""

    def __init__(self, db: Database, service: FlowService, clock: Clock) -> None:
        self._db = db
        self._service = service
        self._clock = clock
        self._wake = asyncio.Event()

    def heard(self, facts: Sequence[Fact]) -> None:
        """After-commit listener: a case waits for something else now."""
        if any(fact.type.startswith("case.") for fact in facts):
            self._wake.set()

    async def run(self) -> None:
        """Expire cases until cancelled."""
        while True:
            self._wake.clear()
            await self._db.write(self._service.expire)
            await _nap(self._wake, await self._db.read(cases.next_deadline), self._clock)


async def _nap(wake: asyncio.Event, until_ms: int | None, clock: Clock) -> None:
    left_s = _LONGEST_NAP_S if until_ms is None else (until_ms - to_ms(clock.now())) / 1000 + 0.001
    try:
        async with asyncio.timeout(min(_LONGEST_NAP_S, max(0.0, left_s))):
            await wake.wait()
    except TimeoutError:
        return  # the next one is due
