"""What a slot tells: facts into the outbox, each once, and the device's events confirmed after that."""

import logging
from enum import StrEnum

from device_profiles.capabilities.model import Capability, Event, Identity, Nothing, Status
from edge_agent.errors import OutboxFull
from edge_agent.ports import Clock, Outbox, Refusal, Remembered
from edge_agent.slots.facts import Fact, event_fact, is_another, replaced_fact, status_facts
from firmware_bridge.drivers import Driver

_log = logging.getLogger(__name__)


class Teller:
    """Speaks for one slot. ``boot`` and ``remembered``: see ``SlotParts``."""

    def __init__(
        self, slot: str, capability: Capability, clock: Clock, outbox: Outbox, boot: str, remembered: Remembered | None
    ) -> None:
        self._slot = slot
        self._capability = capability
        self._clock = clock
        self._outbox = outbox
        self._boot = boot
        self._remembered = remembered
        self._told: dict[str, StrEnum] = {}
        self._told_words = ""

    async def status(self, status: Status, refusal: Refusal | None = None) -> None:
        """Facts for what is new. What the outbox does not take is new again the next time."""
        words = "" if refusal is None else refusal.words
        renewed = words != self._told_words
        for field, value, fact in status_facts(self._capability, status, self._told, refusal, renewed=renewed):
            if not await self._append(fact):
                return
            self._told[field] = value
        self._told_words = words

    async def event(self, event: Event) -> bool:
        """True when it is durable, so that the device may forget it."""
        return await self._append(event_fact(self._capability, event), f"{self._boot} {event.device}")

    async def identity(self, identity: Identity) -> None:
        """Remember who is in the slot; a fact when it is another device than last time."""
        if self._remembered is None:
            return
        key = f"identity {self._slot}"
        kept = await self._remembered.get(key)
        known = Identity() if kept is None else Identity.model_validate(kept)
        if is_another(known, identity):
            _log.warning("slot %s: another device than last time: %s", self._slot, identity.model)
            if not await self._append(replaced_fact(known, identity)):
                return  # told at the next time that it is identified
        if identity != known:
            await self._remembered.put(key, identity.model_dump(mode="json"))

    async def confirm_last(self, driver: Driver) -> None:
        """The confirmation of the last event may have been lost with the line, or with the agent: not twice."""
        boot, _, device = (await self._outbox.last_origin(self._slot)).partition(" ")
        if device and boot == self._boot:
            await driver.confirm(Event(device, Nothing()))

    async def _append(self, fact: Fact, origin: str = "") -> bool:
        fact_type, data = fact
        try:
            await self._outbox.append(self._slot, fact_type, data, self._clock.now(), origin=origin)
        except OutboxFull as error:
            _log.error("slot %s: %s waits: %s", self._slot, fact_type, error)
            return False
        return True
