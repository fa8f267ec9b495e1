"""What a machine sends, for tests of the cloud: numbered as an agent would number it."""

import json
from datetime import UTC, datetime
from typing import Any

from device_profiles.messages.envelope import Envelope, envelope, write_batch
from device_profiles.messages.presence import Presence
from device_profiles.messages.topics import Topic, Up

AT = datetime(2026, 5, 4, 1, 0, tzinfo=UTC)


class Sender:
    """The mouth of one machine: topics and bodies with rising sequences."""

    def __init__(self, machine: str, epoch: int = 1) -> None:
        self.machine = machine
        self.epoch = epoch
        self.sequence = 0

    def envelope(
        self, fact_type: str, data: dict[str, Any] | None = None, *, slot: str = "agent", sequence: int = 0
    ) -> Envelope:
        """The next fact; with ``sequence`` that one, without counting."""
        if not sequence:
            self.sequence += 1
        return envelope(
            self.machine, slot, fact_type, data or {}, at=AT, epoch=self.epoch, sequence=sequence or self.sequence
        )

    def topic(self, verb: Up, slot: str = "agent") -> str:
        """One of its topics."""
        return str(Topic(self.machine, verb, slot))

    def event(
        self, fact_type: str, data: dict[str, Any] | None = None, *, slot: str = "agent", sequence: int = 0
    ) -> tuple[str, bytes]:
        """A message with one fact."""
        body = self.envelope(fact_type, data, slot=slot, sequence=sequence).to_bytes()
        return self.topic(Up.EVENT, slot), body

    def batch(self, *envelopes: Envelope) -> tuple[str, bytes]:
        """A message with several facts."""
        return self.topic(Up.EVENT), write_batch(item.to_bytes() for item in envelopes)

    def result(self, data: dict[str, Any], *, slot: str) -> tuple[str, bytes]:
        """A message with the result of a command."""
        return self.topic(Up.RESULT, slot), self.envelope("command.finished", data, slot=slot).to_bytes()

    def telemetry(self, *samples: dict[str, Any]) -> tuple[str, bytes]:
        """A message with samples."""
        return self.topic(Up.TELEMETRY), self.envelope("agent.sampled", {"samples": list(samples)}).to_bytes()

    def presence(self, state: str = "online", *, since: datetime = AT) -> tuple[str, bytes]:
        """A message that it is there, or not."""
        body = Presence.model_validate({"state": state, "epoch": self.epoch, "agent_version": "0.1.0", "since": since})
        return self.topic(Up.PRESENCE), body.to_bytes()

    def status(self, slot: str, capability: str, field: str, value: str) -> tuple[str, bytes]:
        """A message that a status field took another value."""
        return self.event(f"{capability}.{field}_{value}", {"field": field, "value": value}, slot=slot)


def changed(message: tuple[str, bytes], **values: Any) -> tuple[str, bytes]:
    """The message with other values in its body."""
    return message[0], json.dumps({**json.loads(message[1]), **values}).encode()
