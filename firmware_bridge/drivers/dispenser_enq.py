"""Card dispensers that work on ENQ: QUIO QU-CD-720M and 820M.

The dispenser never answers DC and CP: what became of them is read from its flags. "Taken away" and "called back" stay
until they are cleared; cleared before the command, they are proof afterwards. The older edition of the protocol tells
only its most urgent state (``tells = "states"``): with it fewer outcomes can be proved.

D1801 and K720 dispensers share the exchange as far as we remember, not from a document: not supported, check first.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.card_dispenser import (
    CardDispenserStatus,
    DispenseArgs,
    DispensedCard,
    DispenseOutput,
    LastMove,
)
from device_profiles.capabilities.card_reader import RetainBin, Stacker
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import dispenser_enq
from firmware_bridge.codecs.dispenser_enq import Flag, Reply, dispenser_enq_codec
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._dispenser_enq_unit import BACK, OUT, Dispenser, raise_trouble
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport


class Options(BaseModel):
    """Quirks of a dispenser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tells: Literal["flags", "states"] = Field(
        default="flags", description="states: the older edition, without PB and GV"
    )
    ack_s: float = Field(default=0.5, gt=0, le=10, description="how long it may take to acknowledge a frame")
    look_ms: int = Field(default=200, ge=50, le=5000, description="pace of looking what becomes of a card")
    move_s: float = Field(default=10.0, gt=0, le=60, description="how long a card may be on its way")


class Driver:
    """A card dispenser. ``timing.reply_ms`` is how long the answer to a question may take."""

    capability = "card_dispenser"

    def __init__(self, unit: Dispenser, clock: Clock) -> None:
        self._unit = unit
        self._clock = clock
        self._stacker: Stacker | None = None
        self._bin: RetainBin | None = None

    async def identify(self) -> Identity:
        if not self._unit.all_told:
            await self._unit.flags()
            return Identity()
        data = await self._unit.ask(dispenser_enq.Command.VERSION)
        if not data.isdigit():
            raise PeerBrokeProtocol(f"version: expected three digits, got {data.hex(' ')}: is this a QU-CD-720M?")
        digits = data.decode("ascii")
        return Identity(firmware=f"{digits[0]}.{digits[1:]}")

    async def status(self) -> CardDispenserStatus:
        flags = await self._unit.flags()
        failed = Flag.DISPENSE_FAILED in flags and Flag.JAMMED not in flags
        self._remember(flags)
        return CardDispenserStatus(
            device=DeviceState.HARDWARE_ERROR if failed else DeviceState.ONLINE,
            media=_media(flags),
            stacker=self._stacker,
            retain_bin=self._bin,
            last_move=_last_move(flags) if self._unit.all_told else None,
        )

    async def prepare(self, command: Command) -> None:
        """See ``drivers.Prepares``. The older edition cannot forget, and is no evidence."""
        if self._unit.all_told and command.effect is Effect.ONCE:
            await self._unit.ask(dispenser_enq.Command.CLEAR_FLAGS, Effect.IDEMPOTENT)

    async def execute(self, command: Command, args: Shape) -> Shape:
        match command.name:
            case "dispense":
                return await self._dispense(arguments(args, DispenseArgs).wait_taken_s)
            case "retain":
                return await self._retain()
            case "reset":
                await self._unit.reset()
                return Nothing()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A dispenser holds no events: its flags are read where they matter."""

    def counters(self) -> dict[str, float]:
        return self._unit.link.counters.as_metrics()

    async def close(self) -> None:
        await self._unit.link.close()

    # ------------------------------------------------------------------------------------------------ commands

    async def _dispense(self, wait_taken_s: float) -> DispenseOutput:
        flags = await self._unit.at_rest()
        raise_trouble(flags)
        if Flag.AT_TAKING_PLACE in flags:
            raise DeviceFault("media_present", Action.CLEAR, "a card stands in the mouth")
        if Flag.HOPPER_EMPTY in flags and not flags & (Flag.READY | Flag.AT_READING_PLACE):
            raise DeviceFault("stacker_empty", Action.CLEAR, "no card in the hopper")
        flags = await self._unit.carry_out(OUT)
        try:
            return DispenseOutput(taken=await self._taken(flags, wait_taken_s))
        except BridgeError:  # the card is out: that is known, whatever became of the line since
            return DispenseOutput(taken=None)

    async def _taken(self, flags: Flag, wait_s: float) -> bool:
        give_up = self._clock.monotonic() + wait_s
        while Flag.AT_TAKING_PLACE in flags and self._clock.monotonic() < give_up:
            await self._unit.pause()
            flags = await self._unit.flags()
        return Flag.AT_TAKING_PLACE not in flags

    async def _retain(self) -> Nothing:
        flags = await self._unit.at_rest()
        if not flags & (Flag.AT_TAKING_PLACE | Flag.AT_READING_PLACE):
            raise DeviceFault("no_media", Action.RESET, "expected a card in the mouth to keep, there is none")
        if Flag.BIN_FULL in flags:
            raise DeviceFault("retain_bin_full", Action.CLEAR, "the bin is full")
        await self._unit.carry_out(BACK)
        return Nothing()

    def _remember(self, flags: Flag) -> None:
        """Where one state is told at a time, silence about hopper and bin says nothing unless all is well."""
        if self._unit.all_told or flags & (Flag.HOPPER_EMPTY | Flag.HOPPER_LOW) or flags == Flag.READY:
            self._stacker = _stacker(flags)
        if self._unit.all_told or Flag.BIN_FULL in flags or flags == Flag.READY:
            self._bin = RetainBin.FULL if Flag.BIN_FULL in flags else RetainBin.OK


def _stacker(flags: Flag) -> Stacker:
    if Flag.HOPPER_EMPTY in flags:
        return Stacker.EMPTY
    return Stacker.LOW if Flag.HOPPER_LOW in flags else Stacker.OK


def _media(flags: Flag) -> DispensedCard:
    if Flag.JAMMED in flags:
        return DispensedCard.JAMMED
    if Flag.AT_TAKING_PLACE in flags:
        return DispensedCard.EXITING
    on_its_way = flags & (Flag.DISPENSING | Flag.CALLING_BACK | Flag.AT_READING_PLACE)
    return DispensedCard.PRESENT if on_its_way else DispensedCard.NOT_PRESENT


def _last_move(flags: Flag) -> LastMove:
    if flags & (Flag.DISPENSING | Flag.CALLING_BACK | Flag.JAMMED | Flag.DISPENSE_FAILED):
        return LastMove.UNDER_WAY  # or stuck on its way: no end that proves anything
    if Flag.CALLED_BACK in flags:
        return LastMove.RETAINED
    return LastMove.DISPENSED if flags & (Flag.AT_TAKING_PLACE | Flag.TAKEN_AWAY) else LastMove.NONE


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one dispenser; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, dispenser_enq_codec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    unit = Dispenser(
        link,
        clock,
        attempts=timing.attempts,
        ack_s=options.ack_s,
        look_s=options.look_ms / 1000,
        move_s=options.move_s,
        all_told=options.tells == "flags",
    )
    return Driver(unit, clock)
