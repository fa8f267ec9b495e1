"""Motorised card units of CREATOR's F2 family (CRT-571, CRT-591).

``read_chip`` reads hallfleet's open test permit (see ``codecs/permit_file.py``). THE CHIP OF A REAL EXIT-ENTRY PERMIT
CANNOT BE READ THIS WAY: it needs the authority's access protocol and keys, which come with the authority's module.

A move with an empty path draws a new card from the stacker. Only ``dispense`` may do that, so every other move first
asks where the card is, and a move whose reply is lost is never sent again without asking.
"""

from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.card_reader import (
    AcceptArgs,
    CardReaderStatus,
    ChipData,
    EjectArgs,
    EjectOutput,
    Media,
    MoveArgs,
    RetainBin,
    Stacker,
)
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.crt_f2 import (
    DEFAULT_PM,
    DEVICE_STATUS,
    CardPlace,
    Cm,
    CpuCard,
    Entry,
    ErrorBin,
    Init,
    Move,
    Reply,
    StackerFill,
    crt_f2_codec,
)
from firmware_bridge.codecs.permit_file import DONE, READ_FILE, SELECT_FILE, parse_permit_file
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._crt_f2_unit import CardUnit
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_MEDIA: dict[int, Media] = {
    CardPlace.NONE: Media.NOT_PRESENT,
    CardPlace.GATE: Media.ENTERING,
    CardPlace.INSIDE: Media.PRESENT,
}
_STACKER: dict[int, Stacker] = {
    StackerFill.EMPTY: Stacker.EMPTY,
    StackerFill.LOW: Stacker.LOW,
    StackerFill.ENOUGH: Stacker.OK,
}
_BIN: dict[int, RetainBin] = {ErrorBin.OK: RetainBin.OK, ErrorBin.FULL: RetainBin.FULL}

_DRAWING_IN_S = 2.0  # how much longer a card that already stands in the gate is waited for

_status = kept(CardReaderStatus)


class Options(BaseModel):
    """Quirks of a card unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: int = Field(default=0, ge=0, le=15, description="set by the unit's switches")
    handover_pm: int = Field(default=0x3A, ge=0x30, le=0xFF, description="PM of the rear position, at the card printer")
    ack_s: float = Field(default=1.0, gt=0, le=10, description="how long the unit may take to acknowledge a frame")
    card_ms: int = Field(default=200, ge=50, le=5000, description="pace of looking for a card that comes or goes")


class Driver:
    """A card unit.

    ``timing.reply_ms`` is how long a movement may take. A jam that a movement met is remembered until the unit can be
    initialised again, since not every model tells of it when asked for its status.
    """

    capability = "card_reader"

    def __init__(self, unit: CardUnit, clock: Clock, options: Options, attempts: int) -> None:
        self._unit = unit
        self._clock = clock
        self._attempts = attempts
        self._card_s = options.card_ms / 1000
        self._moves = {"hold": int(Move.HOLD), "chip": int(Move.IC), "printer": options.handover_pm}
        self._stacker: Stacker | None = None
        self._bin: RetainBin | None = None

    async def identify(self) -> Identity:
        model, _, firmware = _printable("version", (await self._unit.ask(Cm.VERSION, DEFAULT_PM)).data).partition(" ")
        serial_number = _printable("serial number", (await self._unit.ask(Cm.SERIAL_NUMBER, DEFAULT_PM)).data)
        await self._unit.probe()
        return Identity(model=model, serial_number=serial_number, firmware=firmware)

    async def status(self) -> CardReaderStatus:
        if self._unit.jammed:
            await self._unit.probe_if_due()
        try:
            answer = await self._unit.ask(Cm.STATUS, DEVICE_STATUS)
        except DeviceFault as trouble:
            return self._report(None, DeviceState.ONLINE if trouble.code == "media_jam" else DeviceState.HARDWARE_ERROR)
        self._stacker, self._bin = _STACKER.get(answer.stacker), _BIN.get(answer.error_bin)
        return self._report(_MEDIA.get(answer.card), DeviceState.ONLINE)

    async def execute(self, command: Command, args: Shape) -> Shape:
        match command.name:
            case "accept":
                return await self._accept(arguments(args, AcceptArgs).wait_s)
            case "read_chip":
                return await self._read_chip()
            case "move":
                return await self._move(self._moves[arguments(args, MoveArgs).to])
            case "eject":
                return await self._eject(arguments(args, EjectArgs).wait_taken_s)
            case "retain":
                return await self._retain()
            case "dispense":
                return await self._dispense()
            case "reset":
                await self._unit.ask(Cm.INIT, Init.HOLD, effect=Effect.IDEMPOTENT)
                return Nothing()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A card unit holds no events."""

    def counters(self) -> dict[str, float]:
        return self._unit.link.counters.as_metrics()

    async def close(self) -> None:
        await self._unit.link.close()

    # ------------------------------------------------------------------------------------------------ commands

    async def _accept(self, wait_s: float) -> Nothing:
        if await self._unit.place() == CardPlace.INSIDE:
            await self._unit.ask(Cm.ENTRY, Entry.DISABLE, effect=Effect.IDEMPOTENT)
            return Nothing()
        async with self._unit.bracketed((Cm.ENTRY, Entry.ENABLE), (Cm.ENTRY, Entry.DISABLE)):
            await self._card_drawn_in(wait_s)
        return Nothing()

    async def _card_drawn_in(self, wait_s: float) -> None:
        give_up = self._clock.monotonic() + wait_s
        while (place := await self._unit.place()) != CardPlace.INSIDE:
            grace = _DRAWING_IN_S if place == CardPlace.GATE else 0.0
            if self._clock.monotonic() >= give_up + grace:
                raise DeviceFault("no_media", Action.RESET, f"expected a card within {wait_s:g} s, none was drawn in")
            await self._clock.sleep(self._card_s)

    async def _read_chip(self) -> ChipData:
        await self._move(Move.IC)
        async with self._unit.bracketed((Cm.CPU_CARD, CpuCard.COLD_RESET), (Cm.CPU_CARD, CpuCard.POWER_OFF)):
            await self._apdu(SELECT_FILE)
            content = await self._apdu(READ_FILE)
        try:
            permit = parse_permit_file(content)
        except ValueError as error:
            raise DeviceFault("invalid_media", Action.RESET, str(error)) from None
        return ChipData(
            document_number=permit.document_number, holder_name=permit.holder_name, birth_date=permit.birth_date
        )

    async def _apdu(self, command: bytes) -> bytes:
        answer = (await self._unit.ask(Cm.CPU_CARD, CpuCard.APDU, command)).data
        if answer[-2:] != DONE:
            told = answer[-2:].hex().upper() or "nothing"
            raise DeviceFault("invalid_media", Action.RESET, f"chip: expected status word 9000, got {told}")
        return answer[:-2]

    async def _move(self, parameter: int) -> Nothing:
        """Bring the card that is in the unit to a place; asks where it is before each try."""
        tried = False
        for _ in range(self._attempts):
            place = await self._unit.place()
            if place == CardPlace.NONE and not (tried and parameter in (Move.GATE, self._moves["printer"])):
                raise DeviceFault("no_media", Action.RESET, "expected a card in the unit, there is none to move")
            if place == CardPlace.NONE or (place == CardPlace.GATE and parameter == Move.GATE):
                return Nothing()
            with suppress(OutcomeUnknown):  # the place of the card settles it
                await self._unit.ask(Cm.MOVE, parameter, effect=Effect.ONCE)
                return Nothing()
            tried = True
        raise LinkTimeout(f"expected a reply to move {parameter:02X}, none came in {self._attempts} tries")

    async def _eject(self, wait_taken_s: float) -> EjectOutput:
        await self._move(Move.GATE)
        give_up = self._clock.monotonic() + wait_taken_s
        while (taken := await self._unit.place() == CardPlace.NONE) is False and self._clock.monotonic() < give_up:
            await self._clock.sleep(self._card_s)
        return EjectOutput(taken=taken)

    async def _retain(self) -> Nothing:
        if await self._unit.place() == CardPlace.NONE:
            raise DeviceFault("no_media", Action.RESET, "expected a card to keep, there is none in the unit")
        await self._unit.ask(Cm.MOVE, Move.ERROR_BIN, effect=Effect.ONCE)
        return Nothing()

    async def _dispense(self) -> Nothing:
        if await self._unit.place() != CardPlace.NONE:
            raise DeviceFault("media_present", Action.RESET, "expected an empty path, a card is in the unit")
        await self._unit.ask(Cm.MOVE, Move.HOLD, effect=Effect.ONCE)  # an empty path: the unit draws from its stacker
        return Nothing()

    def _report(self, media: Media | None, device: DeviceState) -> CardReaderStatus:
        seen = Media.JAMMED if self._unit.jammed else media or Media.UNKNOWN
        return _status(device=device, media=seen, stacker=self._stacker, retain_bin=self._bin)


def _printable(what: str, data: bytes) -> str:
    text = data.decode("latin-1").strip()
    if not text.isascii() or not text.isprintable():
        raise PeerBrokeProtocol(f"{what}: expected printable characters, got {data[:16].hex(' ')}")
    return text


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one card unit; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, crt_f2_codec(options.address), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    unit = CardUnit(link, clock, address=options.address, attempts=timing.attempts, ack_s=options.ack_s)
    return Driver(unit, clock, options, timing.attempts)
