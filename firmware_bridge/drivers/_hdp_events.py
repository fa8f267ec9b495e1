"""Events that an HDP unit holds until the host has made them durable: a lost reply neither loses nor doubles one.

The rule:

* The unit shows one event at a time: sequence, code and age (Modbus: input registers 4, 5 and 6). It waits for the host
  while code is not 0 and the number seen last (holding register 14h) is another one than the sequence. Writing the
  sequence there lets it go.
* An event's identity is its sequence, its code and when it happened (now minus age). The sequence alone is not
  enough: it wraps, and it starts again when the unit's power comes back. Two sightings with the same sequence and
  code are one event when the second did not happen more than ``SAME_WITHIN_S`` after the first; a new one cannot,
  because a restart and a finger take longer.
* ``confirm`` looks first and writes the number only when the unit still shows that very event, so that an old number is
  never written into a unit that has just restarted. Its write may be lost: the event is then settled, not reported,
  when it is seen again.
* A unit that has just started (sequence 0, code 0) with a number seen in its former life gets 0 written there:
  otherwise its event of that number would look as if it had been seen.
"""

from contextlib import suppress
from dataclasses import dataclass

from device_profiles.capabilities.model import Event, Shape
from firmware_bridge.drivers._hdp_unit import HdpUnit, Sighting
from firmware_bridge.errors import LinkTimeout

SAME_WITHIN_S = 1.0
_OLDEST_AGE_S = 6553.5  # the age register stays there


@dataclass(frozen=True, slots=True)
class Held:
    """One event of the unit. ``happened_at`` is on the driver's clock, at most 0.1 s late."""

    sequence: int
    code: int
    happened_at: float
    very_old: bool = False

    def is_again(self, seen: "Held") -> bool:
        """Whether ``seen``, sighted later, is this event."""
        same_number = (self.sequence, self.code) == (seen.sequence, seen.code)
        return same_number and (seen.very_old or seen.happened_at <= self.happened_at + SAME_WITHIN_S)

    def event(self, body: Shape) -> Event:
        """For ``poll``. ``Event.device`` carries the identity, so that ``confirm`` needs no memory of ``poll``."""
        return Event(f"{self.sequence}/{self.code}/{self.happened_at:.3f}", body)


class HeldEvents:
    """The event side of one unit."""

    def __init__(self, unit: HdpUnit) -> None:
        self._unit = unit
        self._confirmed: Held | None = None
        self._just_started: bool | None = None  # None: not known yet

    async def waiting(self) -> Held | None:
        """The event that waits for the host, the same one until ``confirm``."""
        sighting = await self._unit.look_for_poll()
        await self._notice_restart(sighting)
        if sighting.block.code == 0 or await self._unit.event_seen() == sighting.block.sequence:
            return None
        held = _held(sighting)
        if self._confirmed is not None and self._confirmed.is_again(held):
            await self._let_go(held)
            return None
        return held

    async def confirm(self, event: Event) -> None:
        """The event of ``poll`` is durable. A lost write is made good when the event is seen again."""
        sequence, code, happened_at = event.device.split("/")
        self._confirmed = Held(int(sequence), int(code), float(happened_at))
        with suppress(LinkTimeout):  # the next status tells of the line
            if self._confirmed.is_again(held := _held(await self._unit.look())):
                await self._let_go(held)

    async def drop(self, held: Held) -> None:
        """Let go of an event that means nothing, so that it does not stand in the way of the next."""
        self._confirmed = held
        await self._let_go(held)

    async def _let_go(self, held: Held) -> None:
        with suppress(LinkTimeout):  # made good when the event is seen again: nothing is lost or doubled
            await self._unit.let_go(held.sequence)

    async def _notice_restart(self, sighting: Sighting) -> None:
        just_started = sighting.block.sequence == 0 and sighting.block.code == 0
        if just_started and not self._just_started and await self._unit.event_seen() != 0:
            await self._unit.let_go(0)
        self._just_started = just_started


def _held(sighting: Sighting) -> Held:
    block = sighting.block
    return Held(block.sequence, block.code, sighting.asked_at - block.age_s, block.age_s >= _OLDEST_AGE_S)
