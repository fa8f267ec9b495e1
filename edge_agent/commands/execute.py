"""Runs the cloud's commands: per slot in the order in which they came, slots independent of each other.

    accept (durable) -> check -> take the slot -> start (durable) -> effect -> finish (durable) -> result in the outbox

What is not for citizens waits for the machine first (``lease``). An outcome that stays unknown is settled by evidence
(``proof``, ``reconcile``) and told again as ``command.reconciled``.

After a crash ``recover`` continues where the journal stops: what had not started runs if it is still in time; what can
be repeated is repeated if it is still in time; the outcome of anything else is unknown, and it is never run again.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Command, Effect, Shape
from device_profiles.errors import nearest
from device_profiles.messages.command import CommandBody, Outcome, ResultBody
from edge_agent.commands import results
from edge_agent.commands.attempt import Attempt, TooLate
from edge_agent.commands.journal import Entry, Journal, Stage, args_digest
from edge_agent.commands.privacy import disclose
from edge_agent.commands.proof import ProvenSlot
from edge_agent.commands.reconcile import Found, Reconciler
from edge_agent.errors import MachineBusy, OutboxFull, SlotNotReady
from edge_agent.lease import Lease
from edge_agent.ports import Clock, DesiredView, Outbox, SlotView
from firmware_bridge.errors import BridgeError

FINISHED: Final = "command.finished"
RECONCILED: Final = "command.reconciled"
RETRY_S = 5.0
EXPIRE_EVERY_S = 3600.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Turn:
    """A command in its slot's line. ``over``: its result is durable."""

    body: CommandBody
    started_at: datetime | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Executor:
    """``recover`` first, then ``run``; ``accept`` is what the uplink calls."""

    def __init__(
        self,
        journal: Journal,
        outbox: Outbox,
        slots: Mapping[str, SlotView],
        desired: DesiredView,
        clock: Clock,
        lease: Lease,
    ) -> None:
        self._journal = journal
        self._outbox = outbox
        self._slots = slots
        self._desired = desired
        self._clock = clock
        self._lease = lease
        self._reconcilers = {
            name: Reconciler(slot, journal, self._tell, clock)
            for name, slot in slots.items()
            if isinstance(slot, ProvenSlot)
        }
        self._waiting: asyncio.Queue[tuple[str, CommandBody]] = asyncio.Queue()
        self._lines: dict[str, asyncio.Queue[_Turn]] = {slot: asyncio.Queue() for slot in slots}

    async def accept(self, slot: str, body: CommandBody) -> None:
        """Take a command; when this returns it is durable and need not be delivered again."""
        known = await self._journal.receive(slot, body)
        if known is None:
            await self._begin(slot, body)
        elif known.result is not None:
            if known.digest != args_digest(slot, body):
                _log.warning("command %s: came again with other arguments; its first result stands", body.command_id)
            await self._report(slot, known.result)

    async def recover(self) -> None:
        """Continue what an earlier run left; once, before the first ``accept``."""
        for entry in await self._journal.unreported():
            await self._resume(entry)

    async def run(self) -> None:
        """Serve every slot, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._expire(), name="journal")
            group.create_task(self._admit_all(group), name="commands that disturb")
            for name, reconciler in self._reconcilers.items():
                group.create_task(reconciler.run(), name=f"reconcile {name}")
            for slot in self._slots:
                group.create_task(self._serve(slot), name=f"commands {slot}")

    async def _resume(self, entry: Entry) -> None:
        if entry.result is not None:
            await self._report(entry.slot, entry.result)
        elif entry.body is not None and entry.stage is Stage.STARTED:
            await self._resume_started(entry.slot, entry.body, entry.started_at or self._clock.now())
        elif entry.body is not None:
            await self._begin(entry.slot, entry.body)

    async def _resume_started(self, slot: str, body: CommandBody, started_at: datetime) -> None:
        command = self._command(slot, body.name)
        if command is None or command.effect is Effect.ONCE:
            await self._finish(slot, results.interrupted(body))
        else:
            self._lines[slot].put_nowait(_Turn(body, started_at))

    async def _begin(self, slot: str, body: CommandBody) -> None:
        if slot in self._lines and self._disturbs(slot, body):
            self._waiting.put_nowait((slot, body))
        elif slot in self._lines:
            self._lines[slot].put_nowait(_Turn(body))
        else:
            await self._finish(slot, results.refused(body, f"unknown slot; {nearest(slot, self._slots)}"))

    async def _serve(self, slot: str) -> None:
        while True:
            turn = await self._lines[slot].get()
            try:
                await self._finish(slot, await self._for_citizen(slot, turn))
            finally:
                turn.over.set()

    async def _for_citizen(self, slot: str, turn: "_Turn") -> ResultBody:
        """What is done for a case holds the citizens' side of the lease; what only shows something needs none."""
        body = turn.body
        if body.flow_id is None:
            return await self._perform(slot, body, turn.started_at)
        try:
            async with self._lease.citizen(f"case {body.flow_id}", body.run_for_s, joins=True):
                return await self._perform(slot, body, turn.started_at)
        except MachineBusy as error:
            return results.busy(body, error)

    async def _admit_all(self, group: asyncio.TaskGroup) -> None:
        """Each waits for the machine beside its slot's line: what is done for the citizen must not wait behind it."""
        while True:
            slot, body = await self._waiting.get()
            group.create_task(self._admit(slot, body), name=f"waiting {body.command_id}")

    async def _admit(self, slot: str, body: CommandBody) -> None:
        turn = _Turn(body)
        try:
            async with self._lease.disrupting(body.name, (body.start_by - self._clock.now()).total_seconds()):
                self._lines[slot].put_nowait(turn)
                await turn.over.wait()
        except MachineBusy as error:
            await self._finish(slot, results.busy(body, error))

    def _disturbs(self, slot: str, body: CommandBody) -> bool:
        """Part of what is done for a citizen disturbs nobody; a wrong or late command is answered in its line."""
        command = self._command(slot, body.name)
        late = body.start_by <= self._clock.now()
        return command is not None and command.disruptive and body.flow_id is None and not late

    async def _perform(self, slot: str, body: CommandBody, started_at: datetime | None) -> ResultBody:
        command = self._command(slot, body.name)
        if command is None:
            capability = CAPABILITIES[self._slots[slot].capability]
            known = nearest(body.name, capability.commands)
            return results.refused(body, f"{capability.name}: unknown command {body.name!r}; {known}")
        try:
            args = command.args.model_validate(body.args)
        except ValidationError as error:
            return results.wrong_arguments(body, error)
        attempt = Attempt(self._journal, self._clock, slot, command, body, started_at)
        try:
            return await self._attempt(self._slots[slot], attempt, command, args)
        except Exception as error:  # noqa: BLE001 - the outer loop of commands: one command's defect must not stop the machine
            _log.exception("command %s: defect", body.command_id)
            return results.defect(body, command, attempt.started, error)

    async def _attempt(self, slot: SlotView, attempt: Attempt, command: Command, args: Shape) -> ResultBody:
        body = attempt.body
        try:
            await slot.settled()
            run_for_s = attempt.run_for_s()
            output = await slot.execute(command.name, args, run_for_s=run_for_s, before_effect=attempt.start)
            return results.succeeded(body, disclose(output, self._desired.agent))
        except TooLate as late:
            return results.expired(body, str(late))
        except TimeoutError:
            return results.overran(body, command)
        except SlotNotReady as error:
            return results.not_ready(body, error)
        except MachineBusy as error:
            return results.busy(body, error)
        except BridgeError as error:
            return results.of_driver(body, error)

    async def _finish(self, slot: str, result: ResultBody) -> None:
        await self._journal.finish(result, self._clock.now())
        _log.info("command %s: %s", result.command_id, result.outcome)
        await self._report(slot, result)
        if result.outcome is Outcome.UNKNOWN and slot in self._reconcilers:
            self._reconcilers[slot].wake()

    async def _report(self, slot: str, result: ResultBody) -> None:
        await self._append(slot, FINISHED, result)
        await self._journal.reported(result.command_id)

    async def _tell(self, slot: str, found: Found) -> None:
        """The evidence has spoken: told first, then the doubt is forgotten; a crash between tells it twice."""
        entry = await self._journal.find(found.doubt.command_id)
        if entry is None or entry.result is None:
            return
        output = {} if found.output is None else disclose(found.output, self._desired.agent)
        result = results.reconciled(entry.result, found.doubt.verdict, output, found.evidence)
        await self._append(slot, RECONCILED, result)
        await self._journal.settle(ResultBody.model_validate(result.model_dump(exclude={"evidence"})))
        _log.info("command %s: %s, by %s", result.command_id, result.outcome, found.evidence)

    async def _append(self, slot: str, fact_type: str, result: ResultBody) -> None:
        data = result.model_dump(mode="json", exclude_none=True)
        while True:
            try:
                await self._outbox.append(slot, fact_type, data, self._clock.now())
                return
            except OutboxFull as error:
                # Kept in the journal until there is room: a result is never given up.
                _log.error("command %s: its result waits: %s", result.command_id, error)
                await self._clock.sleep(RETRY_S)

    async def _expire(self) -> None:
        while True:
            await self._journal.expire(self._clock.now())
            await self._clock.sleep(EXPIRE_EVERY_S)

    def _command(self, slot: str, name: str) -> Command | None:
        return CAPABILITIES[self._slots[slot].capability].commands.get(name) if slot in self._slots else None
