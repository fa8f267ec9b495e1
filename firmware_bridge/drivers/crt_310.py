"""Motorised card readers CREATOR CRT-310 with 02 framing (later ones speak F2: driver ``crt_f2``).

A card can leave at both ends. What stands at the rear is an option: a bin, then ``retain`` is possible, or a card
printer, then ``move to=printer`` hands the card over and ``move to=hold`` takes it back from the rear.

``read_chip`` is not there: the commands of the contact chip are not in what is public of this protocol.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.card_reader import (
    AcceptArgs,
    CardReaderStatus,
    EjectArgs,
    EjectOutput,
    Media,
    MoveArgs,
)
from device_profiles.capabilities.model import Action, Command, DeviceState, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.crt_310 import (
    FRONT_IS_SHUT,
    Front,
    Move,
    Place,
    Rear,
    Reply,
    Reset,
    crt_310_codec,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._crt_310_unit import CardUnit
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import BridgeError, DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_MEDIA: dict[int, Media] = {
    Place.NONE: Media.NOT_PRESENT,
    Place.FRONT_OUT: Media.ENTERING,
    Place.FRONT_HELD: Media.ENTERING,
    Place.TOO_LONG: Media.JAMMED,
    Place.TOO_SHORT: Media.JAMMED,
}
_WRONG_LENGTH = (Place.TOO_LONG, Place.TOO_SHORT)
_INSIDE = (Place.INSIDE, Place.CONTACTS)
_AT_THE_FRONT = (Place.FRONT_OUT, Place.FRONT_HELD)
_OPENS = {"switch": Front.SWITCH, "magnetic": Front.MAGNETIC}
# A movement is done when the card is seen there; out of a mouth it may have gone already.
_DONE_AT: dict[int, tuple[int, ...]] = {
    Move.INSIDE: (Place.INSIDE,),
    Move.CONTACTS: (Place.CONTACTS,),
    Move.FRONT_OUT: (Place.FRONT_OUT,),
    Move.REAR_OUT: (Place.REAR_OUT,),
}
_LEAVES = (Move.FRONT_OUT, Move.REAR_OUT)
_DRAWING_IN_S = 2.0  # how long a card may stand in the mouth before it is drawn in, or given up

_status = kept(CardReaderStatus)


class Options(BaseModel):
    """Quirks of a reader."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rear: Literal["bin", "printer"] = Field(default="bin", description="what takes a card at the rear")
    opens: Literal["switch", "magnetic"] = Field(
        default="switch", description="what opens the shutter: any card, or .."
    )
    ack_s: float = Field(default=1.0, gt=0, le=10, description="how long the reader may take to acknowledge a frame")
    card_ms: int = Field(default=200, ge=50, le=5000, description="pace of looking for a card that comes or goes")


class Driver:
    """A card reader. ``timing.reply_ms`` is how long a movement may take."""

    capability = "card_reader"

    def __init__(self, unit: CardUnit, clock: Clock, options: Options, attempts: int) -> None:
        self._unit = unit
        self._clock = clock
        self._options = options
        self._attempts = attempts
        self._rear = Rear.OPEN if options.rear == "printer" else Rear.SHUT

    async def identify(self) -> Identity:
        version = _printable("version", await self._unit.reset(Reset.LEAVE))
        serial_number = _printable("serial number", await self._unit.serial_number())
        await self._shut()  # after a reset the shutter opens to any card
        model, _, firmware = version.partition(" ")
        return Identity(model=model, serial_number=serial_number, firmware=firmware)

    async def status(self) -> CardReaderStatus:
        try:
            place, opens = await self._unit.look()
        except DeviceFault as trouble:
            jammed = trouble.code == "media_jam"
            return _status(
                device=DeviceState.ONLINE if jammed else DeviceState.HARDWARE_ERROR,
                media=Media.JAMMED if jammed else Media.UNKNOWN,
            )
        if opens != FRONT_IS_SHUT:  # its power has failed and come back, and nobody waits for a card
            await self._shut()
        stuck = self._unit.stuck_at is not None
        media = Media.JAMMED if stuck else _MEDIA.get(place, Media.PRESENT)
        return _status(device=DeviceState.ONLINE, media=media)

    async def execute(self, command: Command, args: Shape) -> Shape:
        match command.name:
            case "accept":
                return await self._accept(arguments(args, AcceptArgs).wait_s)
            case "move":
                return await self._move_to(arguments(args, MoveArgs).to, command)
            case "eject":
                return await self._eject(arguments(args, EjectArgs).wait_taken_s)
            case "retain" if self._options.rear == "bin":
                return await self._retain()
            case "reset":
                await self._unit.reset(Reset.LEAVE)
                await self._shut()
                return Nothing()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A card reader holds no events."""

    def counters(self) -> dict[str, float]:
        return self._unit.link.counters.as_metrics()

    async def close(self) -> None:
        await self._unit.link.close()

    # ------------------------------------------------------------------------------------------------ commands

    async def _shut(self) -> None:
        await self._unit.set_entry(Front.SHUT, self._rear)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        """The shutter lets a card in; it is shut again also when the body fails or is cancelled."""
        try:
            await self._unit.set_entry(_OPENS[self._options.opens], Rear.SHUT)
            yield
        except BaseException:
            with suppress(BridgeError):  # what made the body fail is what counts
                await self._shut()
            raise
        await self._shut()

    async def _accept(self, wait_s: float) -> Nothing:
        if await self._unit.place() in _INSIDE:
            await self._shut()
            return Nothing()
        async with self._open():
            await self._card_drawn_in(wait_s)
        return Nothing()

    async def _card_drawn_in(self, wait_s: float) -> None:
        """Where a card stops by itself is a setting of the reader: one that stays in the mouth is drawn in."""
        give_up = self._clock.monotonic() + wait_s
        in_mouth_since: float | None = None
        while (place := await self._unit.place()) not in _INSIDE:
            now = self._clock.monotonic()
            if place in _WRONG_LENGTH:
                raise DeviceFault(
                    "invalid_media", Action.CLEAR, f"a card of the wrong length went in (place {place:02X})"
                )
            in_mouth_since = (in_mouth_since or now) if place == Place.FRONT_HELD else None
            if in_mouth_since is not None and now - in_mouth_since >= _DRAWING_IN_S:
                await self._move(Move.INSIDE)
            elif now >= give_up and in_mouth_since is None:
                raise DeviceFault("no_media", Action.RESET, f"expected a card within {wait_s:g} s, none was drawn in")
            else:
                await self._clock.sleep(self._options.card_ms / 1000)

    async def _move_to(self, to: str, command: Command) -> Nothing:
        if to == "printer" and self._options.rear != "printer":
            raise unsupported(f"{self.capability}, rear = {self._options.rear}", command)
        return await self._move({"hold": Move.INSIDE, "chip": Move.CONTACTS, "printer": Move.REAR_OUT}[to])

    async def _move(self, parameter: Move) -> Nothing:
        """Bring the card that is in the reader to a place; asks where it is before each try."""
        tried = False
        for _ in range(self._attempts):
            place = await self._unit.place()
            gone = place == Place.NONE
            if gone and not (tried and parameter in _LEAVES):
                raise DeviceFault("no_media", Action.RESET, "expected a card in the reader, there is none to move")
            # A loose card at the rear was handed over; before a try it may be one that came back.
            if gone or (place in _DONE_AT[parameter] and (tried or parameter != Move.REAR_OUT)):
                return Nothing()
            with suppress(OutcomeUnknown):  # the place of the card settles it
                await self._unit.move(parameter)
                return Nothing()
            tried = True
        raise LinkTimeout(f"expected a reply to move {parameter:02X}, none came in {self._attempts} tries")

    async def _eject(self, wait_taken_s: float) -> EjectOutput:
        await self._move(Move.FRONT_OUT)
        give_up = self._clock.monotonic() + wait_taken_s
        while (taken := await self._unit.place() == Place.NONE) is False and self._clock.monotonic() < give_up:
            await self._clock.sleep(self._options.card_ms / 1000)
        return EjectOutput(taken=taken)

    async def _retain(self) -> Nothing:
        """Out at the rear into the bin, once. After a lost answer the place of the card is the evidence."""
        before = await self._unit.place()
        if before == Place.NONE:
            raise DeviceFault("no_media", Action.RESET, "expected a card to keep, there is none in the reader")
        try:
            await self._unit.move(Move.REAR_OUT)
        except OutcomeUnknown:
            if before in _AT_THE_FRONT or not await self._has_gone():  # from the front a hand may have taken it
                raise
        return Nothing()

    async def _has_gone(self) -> bool:
        with suppress(BridgeError):  # no evidence: the outcome stays unknown
            return await self._unit.place() == Place.NONE
        return False


def _printable(what: str, data: bytes) -> str:
    text = data.decode("latin-1").strip()
    if not text.isascii() or not text.isprintable():
        raise PeerBrokeProtocol(f"{what}: expected printable characters, got {data[:16].hex(' ')}: is this a CRT-310?")
    return text


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one reader; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, crt_310_codec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    unit = CardUnit(link, attempts=timing.attempts, ack_s=options.ack_s)
    return Driver(unit, clock, options, timing.attempts)
