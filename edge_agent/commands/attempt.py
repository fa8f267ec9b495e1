"""The two deadlines of a command, and the moment from which its effect may have happened."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from device_profiles.capabilities.evidence import applies, remembered
from device_profiles.capabilities.model import Command
from device_profiles.messages.command import CommandBody
from edge_agent.commands.doubts import Doubt
from edge_agent.commands.journal import Journal
from edge_agent.ports import Clock


class TooLate(Exception):
    """A deadline passed before anything was done."""


class Attempt:
    """One run of a command. ``resumed_at``: when an interrupted run had begun, which this one continues."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        slot: str,
        command: Command,
        body: CommandBody,
        resumed_at: datetime | None,
    ) -> None:
        self.body = body
        self._slot = slot
        self._command = command
        self.started = False
        self._journal = journal
        self._clock = clock
        self._resumed_at = resumed_at

    def run_for_s(self) -> float:
        """How long it may take once it has the slot. Raises TooLate when an interrupted run has used it up."""
        if self._resumed_at is None:
            return self.body.run_for_s
        left_s = self.body.run_for_s - (self._clock.now() - self._resumed_at).total_seconds()
        if left_s <= 0:
            raise TooLate(f"it began at {self._resumed_at:%H:%M:%SZ}, was interrupted, and run_for_s has passed")
        return left_s

    async def start(self, seen: Mapping[str, Any]) -> None:
        """The slot is ours: durable before the effect can happen, with what the device shows. Raises TooLate."""
        now = self._clock.now()
        if self._resumed_at is None:
            if now > self.body.start_by:
                raise TooLate(f"start_by was {self.body.start_by:%Y-%m-%dT%H:%M:%SZ}, it is {now:%H:%M:%SZ}")
            await self._journal.start(self.body.command_id, now, self._doubt(seen))
        self.started = True

    def _doubt(self, seen: Mapping[str, Any]) -> Doubt | None:
        evidence, args = self._command.evidence, self.body.args
        shaped = self._command.args.model_validate(args).model_dump()
        if evidence is None or not applies(evidence, shaped):
            return None
        return Doubt(self.body.command_id, self._slot, self._command.name, remembered(evidence, seen, shaped))
