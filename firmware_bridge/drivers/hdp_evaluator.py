"""Evaluator pads of the hall device profile."""

import math
from collections import deque
from itertools import pairwise

from device_profiles.capabilities.evaluator import EvaluatorStatus, PadArgs, Rated
from device_profiles.capabilities.model import Command, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.hdp_model import DeviceClass, Show
from firmware_bridge.drivers import arguments, unsupported
from firmware_bridge.drivers._hdp_events import Held, HeldEvents
from firmware_bridge.drivers._hdp_modbus import open_unit
from firmware_bridge.drivers._hdp_unit import HdpUnit
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import PeerBrokeProtocol
from firmware_bridge.transports import Transport

_MODES = {
    "idle": Show.IDLE,
    "welcome": Show.WELCOME,
    "ask_rating": Show.ASK_RATING,
    "thanks": Show.THANKS,
    "paused": Show.PAUSED,
}
_GRADES = range(1, 6)
_AGE_ERROR_S = 0.25  # the age comes in steps of 0.1 s, the answer takes a moment, a shared line 0.1 s at most

_status = kept(EvaluatorStatus)


class Driver:
    """A pad. A rating belongs to the subject that was asked for when it was given, not when it was fetched.

    The pad does not know subjects: a rating given before this driver was opened has subject ``""``.
    """

    capability = "evaluator"

    def __init__(self, unit: HdpUnit) -> None:
        self._unit = unit
        self._events = HeldEvents(unit)
        self._subjects: deque[tuple[float, str]] = deque(maxlen=8)  # since when each was in force

    async def identify(self) -> Identity:
        return await self._unit.identify()

    async def status(self) -> EvaluatorStatus:
        return _status(device=await self._unit.state())

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "show":
            raise unsupported(self.capability, command)
        wanted = arguments(args, PadArgs)
        subject = wanted.subject if wanted.mode == "ask_rating" else ""
        self._subjects.append((self._unit.clock.monotonic(), subject))
        await self._unit.show_mode(_MODES[wanted.mode])
        return Nothing()

    async def poll(self) -> list[Event]:
        held = await self._events.waiting()
        if held is None:
            return []
        if held.code not in _GRADES:
            await self._events.drop(held)
            raise PeerBrokeProtocol(f"event {held.sequence}: expected a grade from 1 to 5, got {held.code}")
        return [held.event(Rated(grade=held.code, subject=self._subject_of(held)))]

    async def confirm(self, event: Event) -> None:
        await self._events.confirm(event)

    def counters(self) -> dict[str, float]:
        return self._unit.counters.as_metrics()

    async def close(self) -> None:
        await self._unit.close()

    def _subject_of(self, held: Held) -> str:
        """The first subject in force around the time of the touch: a pad takes a grade only while it asks."""
        for (since, subject), (end, _) in pairwise([*self._subjects, (math.inf, "")]):
            if subject and since <= held.happened_at + _AGE_ERROR_S and held.happened_at - _AGE_ERROR_S < end:
                return subject
        return ""


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one pad; ``transport`` is open before the first call."""
    return Driver(open_unit(profile, transport, clock, DeviceClass.EVALUATOR))
