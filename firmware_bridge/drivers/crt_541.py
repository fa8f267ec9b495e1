"""Card dispensers CREATOR CRT-541.

The dispenser tells "dispensed" (33h) and "cannot" (36h) to the first enquiry after the event and never again: when that
answer is lost there is no evidence any more, and the outcome of ``dispense`` is unknown. It has no bin (no ``retain``)
and no eye at its mouth (``taken`` is None).
"""

from contextlib import suppress
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.card_dispenser import (
    CardDispenserStatus,
    DispenseArgs,
    DispensedCard,
    DispenseOutput,
)
from device_profiles.capabilities.card_reader import Stacker
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import crt_541
from firmware_bridge.codecs.crt_541 import Condition, Crt541Codec, Reply, Stack, Verdict, Work
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol, TransportLost
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_MEDIA: dict[int, DispensedCard] = {
    Work.READY: DispensedCard.NOT_PRESENT,
    Work.DISPENSING: DispensedCard.PRESENT,
    Work.DISPENSED: DispensedCard.EXITING,
    Work.FAILED: DispensedCard.JAMMED,
    Work.PRE_DISPENSING: DispensedCard.PRESENT,
    Work.REFUSED: DispensedCard.EXITING,  # or the stacker is empty, which the stacker tells
}
_STACKER: dict[int, Stacker] = {Stack.ENOUGH: Stacker.OK, Stack.LOW: Stacker.LOW, Stack.EMPTY: Stacker.EMPTY}
_MOVING = (Work.DISPENSING, Work.PRE_DISPENSING)
_TOLD_ONCE = (Work.DISPENSED, Work.REFUSED)
_UNMOVED_S = 2.0  # a dispenser that took the command and shows nothing of it for so long never will

_status = kept(CardDispenserStatus)


class Options(BaseModel):
    """Quirks of a dispenser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: int = Field(default=0, ge=0, le=15, description="set by the dispenser's switches")
    enquiry_ms: int = Field(default=250, ge=200, le=5000, description="pace of enquiries; at least 200 by the manual")
    dispense_s: float = Field(default=10.0, gt=0, le=60, description="how long a card may take to the mouth")


class Driver:
    """A card dispenser."""

    capability = "card_dispenser"

    def __init__(self, link: Link[Reply], clock: Clock, options: Options, attempts: int) -> None:
        self._link = link
        self._clock = clock
        self._options = options
        self._attempts = attempts

    async def identify(self) -> Identity:
        await self._enquire()  # the protocol has no word for who it is; another device answers in another shape
        return Identity()

    async def status(self) -> CardDispenserStatus:
        told = await self._enquire()
        return _status(device=DeviceState.ONLINE, media=_MEDIA[told.work], stacker=_STACKER[told.stack])

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "dispense":
            arguments(args, DispenseArgs)
            await self._dispense()
            return DispenseOutput(taken=None)
        if command.name == "reset":
            await self._order(crt_541.Command.RESET, Effect.IDEMPOTENT)
            await self._ready()
            return Nothing()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A dispenser holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    # ------------------------------------------------------------------------------------------------ dispense

    async def _dispense(self) -> None:
        told = await self._ready()  # also takes what is told only once: what comes later is about this card
        if told.work == Work.FAILED:
            raise _failed(told)
        if told.stack == Stack.EMPTY:
            raise DeviceFault("stacker_empty", Action.CLEAR, "no card in the stacker")
        missed = self._link.counters.timeouts
        try:
            taken = await self._order(crt_541.Command.DISPENSE, Effect.ONCE)
        except OutcomeUnknown:
            taken, missed = False, self._link.counters.timeouts
        try:
            await self._follow(taken, missed)
        except (TransportLost, LinkTimeout) as error:
            if not taken and isinstance(error, _NotHeard):
                raise
            raise OutcomeUnknown(f"dispense: the dispenser could not be asked what became of it: {error}") from error

    async def _follow(self, taken: bool, missed: int) -> None:
        """Ask until the dispenser tells what became of the command; ``missed``: time-outs before it was followed."""
        began = self._clock.monotonic()
        moved = False
        while True:
            told = await self._enquire()
            passed = self._clock.monotonic() - began
            if told.work == Work.DISPENSED:
                return
            if told.work == Work.FAILED:
                raise _failed(told)
            if told.work == Work.REFUSED:
                raise _refused(told)
            moved = moved or told.work == Work.DISPENSING
            if passed >= (self._options.dispense_s if told.work in _MOVING else _UNMOVED_S):
                break
            await self._clock.sleep(self._options.enquiry_ms / 1000)
        if not taken and not moved and self._link.counters.timeouts == missed:
            raise _NotHeard("expected an answer to the command, none came, and nothing has moved: it was not heard")
        raise OutcomeUnknown(
            f"dispense: expected 'dispensed' or an error within {passed:.1f} s, last told {told.work:02X}: the answer "
            "that tells it once may be lost; look whether a card is in the mouth"
        )

    async def _ready(self) -> Condition:
        """The first condition that is not about the past and in which nothing moves."""
        give_up = self._clock.monotonic() + self._options.dispense_s
        while (told := await self._enquire()).work in (*_TOLD_ONCE, *_MOVING):
            if self._clock.monotonic() >= give_up:
                raise DeviceFault(
                    "command_sequence", Action.RESET, f"expected a ready dispenser, it tells {told.work:02X}"
                )
            await self._clock.sleep(self._options.enquiry_ms / 1000)
        return told

    # ------------------------------------------------------------------------------------------------ exchange

    async def _order(self, command: crt_541.Command, effect: Effect) -> bool:
        """Send a command until it is not refused as damaged; True when the dispenser said that it was taken."""
        data = crt_541.encode(self._options.address, command)
        for _ in range(self._attempts):
            told = await self._link.request(data, effect=effect, accept=lambda reply: isinstance(reply, Verdict))
            if isinstance(told, Verdict) and told.taken:
                return True
        raise LinkTimeout(
            f"{command}: the dispenser refused it {self._attempts} times: a noisy line? Nothing has moved"
        )

    async def _enquire(self) -> Condition:
        data = crt_541.encode(self._options.address, crt_541.Command.ENQUIRY)
        async with self._link.exchange() as line:
            for _ in range(self._attempts):
                told = await line.request(data, effect=Effect.READ, accept=lambda reply: True)
                if isinstance(told, Condition):
                    return _known(told)
                if told.taken:
                    with suppress(LinkTimeout):  # counted by the link; the enquiry may be asked again
                        told = await line.reply(effect=Effect.READ, accept=lambda reply: isinstance(reply, Condition))
                        return _known(cast(Condition, told))
        raise LinkTimeout(f"enquiry: expected a status, none came in {self._attempts} tries: a noisy line?")


class _NotHeard(LinkTimeout):
    """The command never reached the dispenser."""


def _known(told: Condition) -> Condition:
    if told.work not in _MEDIA or told.stack not in _STACKER:
        raise PeerBrokeProtocol(
            f"status: expected work 30 to 36 and stack 30 to 32, got {told.work:02X} {told.stack:02X}: "
            "is this a CRT-541?"
        )
    return told


def _failed(told: Condition) -> DeviceFault:
    return DeviceFault("media_jam", Action.MAINTENANCE, f"error while dispensing (work {told.work:02X})")


def _refused(told: Condition) -> DeviceFault:
    if told.stack == Stack.EMPTY:
        return DeviceFault("stacker_empty", Action.CLEAR, "no card in the stacker")
    return DeviceFault("media_present", Action.CLEAR, f"a card stands in the mouth (work {told.work:02X})")


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one dispenser; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, Crt541Codec(options.address), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    return Driver(link, clock, options, timing.attempts)
