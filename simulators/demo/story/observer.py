"""An outside listener on the broker: keeps every message that passes, as any integrator could."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

KEEP = 20_000


@dataclass
class Observer:
    """Records (topic, payload) of everything under ``hallfleet/``; a loss here harms nobody, so aiomqtt serves."""

    port: int
    messages: list[tuple[str, bytes]] = field(default_factory=list)
    _client: aiomqtt.Client | None = None
    _heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, listening: asyncio.Event) -> None:
        """Listen until cancelled; sets ``listening`` once subscribed."""
        client = aiomqtt.Client(
            "127.0.0.1", self.port, identifier="story-observer", protocol=aiomqtt.ProtocolVersion.V5
        )
        async with client:
            self._client = client
            await client.subscribe("hallfleet/#", qos=1)
            listening.set()
            async for message in client.messages:
                if len(self.messages) < KEEP and isinstance(message.payload, bytes):
                    self.messages.append((str(message.topic), message.payload))
                    self._heard.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as ``holds()`` after a message; for one waiter at a time."""
        while not holds():
            self._heard.clear()
            await self._heard.wait()

    async def publish(self, topic: str, payload: bytes) -> None:
        """Speak on the broker, as a faulty or hostile client would."""
        if self._client is None:
            raise RuntimeError("the observer is not connected yet")
        await self._client.publish(topic, payload, qos=1)

    def facts(self, fact_type: str, machine: str = "") -> list[dict[str, Any]]:
        """Every envelope of this type seen so far, in order of arrival; repeats included."""
        return [
            fact
            for fact in self._envelopes()
            if fact.get("type") == fact_type and fact.get("source", "").startswith(f"/machines/{machine}")
        ]

    def commands(self, flow_id: str, name: str, slot: str = "") -> int:
        """How many different commands of this name the cloud has sent to a slot in one journey."""
        seen = set()
        for topic, payload in self.messages:
            if "/down/command/" in topic and topic.endswith(slot):
                body = json.loads(payload)
                if body["name"] == name and body.get("flow_id") == flow_id:
                    seen.add(body["command_id"])
        return len(seen)

    def passed(self, flow_id: str, way: str) -> int:
        """How many different ``command`` or ``result`` messages of one journey have passed."""
        seen: set[str] = set()
        for topic, payload in self.messages:
            if f"/{way}/" in topic and flow_id.encode() in payload:
                body = json.loads(payload)
                bodies = body if isinstance(body, list) else [body]
                each = [one.get("data", one) for one in bodies]
                seen |= {one["command_id"] for one in each if one.get("flow_id") == flow_id and "command_id" in one}
        return len(seen)

    def message_with(self, fact_id: str) -> tuple[str, bytes]:
        """The first message that carried the fact with this id."""
        for topic, payload in self.messages:
            if fact_id.encode() in payload and "/up/" in topic:
                return topic, payload
        raise LookupError(f"no message carried {fact_id}")

    def _envelopes(self) -> Iterator[dict[str, Any]]:
        for topic, payload in self.messages:
            if "/up/event/" not in topic and "/up/result/" not in topic:
                continue
            with suppress(ValueError):  # the story itself sends garbage
                body = json.loads(payload)
                yield from body if isinstance(body, list) else [body]
