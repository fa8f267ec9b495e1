"""Runs the cloud's commands: per slot in the order in which they came, slots independent of each other.

    accept (durable) -> check -> take the slot -> start (durable) -> effect -> finish (durable) -> result in the outbox

After a crash ``recover`` continues where the journal stops: what had not started runs if it is still in time; what can
be repeated is repeated if it is still in time; the outcome of anything else is unknown, and it is never run again.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import ValidationError

from device_profiles.capabilities import CAPABILITIES
from device_profiles.capabilities.model import Command, Effect, Shape
from device_profiles.errors import nearest
from device_profiles.messages.command import CommandBody, ResultBody
from edge_agent.commands import results
from edge_agent.commands.attempt import Attempt, TooLate
from edge_agent.commands.journal import Entry, Journal, Stage, args_digest
from edge_agent.commands.privacy import disclose
from edge_agent.errors import OutboxFull, SlotNotReady
from edge_agent.ports import Clock, DesiredView, Outbox, SlotView
from firmware_bridge.errors import BridgeError

FINISHED: Final = "command.finished"
RETRY_S = 5.0
EXPIRE_EVERY_S = 3600.0
_log = logging.getLogger(__name__)


class Executor:
    """``recover`` first, then ``run``; ``accept`` is what the uplink calls."""

    def __init__(
        self, journal: Journal, outbox: Outbox, slots: Mapping[str, SlotView], desired: DesiredView, clock: Clock
    ) -> None:
        self._journal = journal
        self._outbox = outbox
        self._slots = slots
        self._desired = desired
        self._clock = clock
        self._lines: dict[str, asyncio.Queue[tuple[CommandBody, datetime | None]]] = {
            slot: asyncio.Queue() for slot in slots
        }

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
            self._lines[slot].put_nowait((body, started_at))

    async def _begin(self, slot: str, body: CommandBody) -> None:
        if slot in self._lines:
            self._lines[slot].put_nowait((body, None))
        else:
            await self._finish(slot, results.refused(body, f"unknown slot; {nearest(slot, self._slots)}"))

    async def _serve(self, slot: str) -> None:
        while True:
            body, started_at = await self._lines[slot].get()
            await self._finish(slot, await self._perform(slot, body, started_at))

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
        attempt = Attempt(self._journal, self._clock, body, started_at)
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
        except BridgeError as error:
            return results.of_driver(body, error)

    async def _finish(self, slot: str, result: ResultBody) -> None:
        await self._journal.finish(result, self._clock.now())
        _log.info("command %s: %s", result.command_id, result.outcome)
        await self._report(slot, result)

    async def _report(self, slot: str, result: ResultBody) -> None:
        data = result.model_dump(mode="json", exclude_none=True)
        while True:
            try:
                await self._outbox.append(slot, FINISHED, data, self._clock.now())
                break
            except OutboxFull as error:
                # Kept in the journal until there is room: a result is never given up.
                _log.error("command %s: its result waits: %s", result.command_id, error)
                await self._clock.sleep(RETRY_S)
        await self._journal.reported(result.command_id)

    async def _expire(self) -> None:
        while True:
            await self._journal.expire(self._clock.now())
            await self._clock.sleep(EXPIRE_EVERY_S)

    def _command(self, slot: str, name: str) -> Command | None:
        return CAPABILITIES[self._slots[slot].capability].commands.get(name) if slot in self._slots else None
