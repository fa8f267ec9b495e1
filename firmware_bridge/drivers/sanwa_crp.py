"""Card units Sanwa CRP-1231 as a card printer: erase, print and hand back a card with a rewritable face.

The unit counts nothing, so the evidence for a print whose answer was lost is what it says to the next ENQ, and where
the card stands. Its magnetic stripe is not used: the capability has no command for it.
"""

from collections.abc import Sequence
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field, field_validator

from device_profiles.capabilities.card_printer import CardMedia, CardPrinterStatus, PrintCardArgs
from device_profiles.capabilities.card_reader import Stacker
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.sanwa_crp import (
    DISPENSER_CHECK,
    INIT_STANDARD,
    Answer,
    Card,
    Cmd,
    Job,
    Reply,
    Trouble,
    print_data,
    sanwa_crp_codec,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._sanwa_crp_line import SanwaLine
from firmware_bridge.errors import (
    BridgeError,
    DeviceFault,
    LinkTimeout,
    OutcomeUnknown,
    PeerBrokeProtocol,
    TransportLost,
    UnsupportedCommand,
)
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

# P of an answer: XFS word, who must act, what it means.
FAULTS: dict[int, tuple[str, Action, str]] = {
    Trouble.READ: ("invalid_media", Action.RESET, "the stripe cannot be read"),
    Trouble.WRITE: ("invalid_media", Action.RESET, "the stripe cannot be written"),
    Trouble.JAM: ("media_jam", Action.MAINTENANCE, "card jam"),
    Trouble.MOTOR: ("hardware_error", Action.MAINTENANCE, "motor of the transport"),
    Trouble.PRINT: ("hardware_error", Action.MAINTENANCE, "print error"),
    Trouble.ILLEGAL: ("invalid_data", Action.SOFTWARE_ERROR, "the unit cannot use the data"),
    Trouble.BATTERY: ("hardware_error", Action.MAINTENANCE, "low battery"),
    Trouble.SYSTEM: ("hardware_error", Action.MAINTENANCE, "system error"),
}
_UNLISTED = ("hardware_error", Action.MAINTENANCE, "a trouble that the emulators do not list")
_STILL_ONLINE = (Trouble.NONE, Trouble.READ, Trouble.WRITE, Trouble.JAM, Trouble.ILLEGAL)
_INSIDE = (Card.READ_WRITE_HEAD, Card.THERMAL_HEAD, Card.DISPENSER)
_STACKER: dict[int, Stacker] = {Job.DISPENSER_EMPTY: Stacker.EMPTY, Job.DISPENSER_FULL: Stacker.OK}

_status = kept(CardPrinterStatus)


class Options(BaseModel):
    """Quirks of a unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charset: str = Field(
        default="shift_jis", description="of the unit's characters; those described in public: Shift JIS"
    )
    dispenser: bool = Field(default=True, description="whether it has one, whose fill is asked for")
    ack_s: float = Field(
        default=0.5, gt=0, le=10, description="how long it may take to acknowledge a frame or answer ENQ"
    )
    poll_ms: int = Field(default=100, ge=20, le=5000, description="pace of ENQ while a command runs")

    @field_validator("charset")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            "".encode(value)
        except LookupError as error:
            raise ValueError(f"expected a character set that Python knows, got {value!r}") from error
        return value


class Driver:
    """A card printer behind a card unit; ``timing.reply_ms`` is how long its slowest command may run."""

    capability = "card_printer"

    def __init__(self, line: SanwaLine, options: Options) -> None:
        self._line = line
        self._options = options

    async def identify(self) -> Identity:
        version = (await self._done(Cmd.VERSION)).data.decode("latin-1").strip()
        if not version or not version.isascii() or not version.isprintable():
            raise PeerBrokeProtocol("version: expected printable characters: is this a CRP-1231?")
        return Identity(firmware=version)

    async def status(self) -> CardPrinterStatus:
        told = await self._line.run(Cmd.STATUS)
        if told.card not in list(Card):
            raise PeerBrokeProtocol(
                f"status: expected a place of the card 30 to 34, got {told.card:02X}: is this a CRP-1231?"
            )
        stacker = None
        if self._options.dispenser:
            stacker = _STACKER.get((await self._line.run(Cmd.DISPENSE, DISPENSER_CHECK)).job)
        media = CardMedia.NOT_PRESENT if told.card == Card.NONE else CardMedia.PRESENT
        return _status(
            device=DeviceState.ONLINE if told.trouble in _STILL_ONLINE else DeviceState.HARDWARE_ERROR,
            media=CardMedia.JAMMED if told.trouble == Trouble.JAM else media,
            stacker=stacker,
        )

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "print":
            return await self._print(arguments(args, PrintCardArgs).lines)
        if command.name == "reset":
            await self._done(Cmd.INIT, INIT_STANDARD, effect=Effect.IDEMPOTENT)
            return Nothing()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A card printer holds no events."""

    def counters(self) -> dict[str, float]:
        return self._line.link.counters.as_metrics()

    async def close(self) -> None:
        await self._line.link.close()

    async def _print(self, lines: Sequence[str]) -> Nothing:
        try:
            data = print_data(lines, self._options.charset)
        except ValueError as error:
            raise UnsupportedCommand(f"print: {error}") from error
        if (await self._done(Cmd.STATUS)).card not in _INSIDE:
            raise DeviceFault("no_media", Action.RESET, "no card in the printer")
        await self._done(Cmd.ERASE, effect=Effect.IDEMPOTENT)
        await self._done(Cmd.PRINT, data, effect=Effect.ONCE)  # after ERASE: see SanwaLine
        try:
            await self._eject()
        except (LinkTimeout, TransportLost) as error:
            raise OutcomeUnknown(f"the card is printed; whether it was handed back is not known: {error}") from error
        return Nothing()

    async def _eject(self) -> None:
        told = await self._line.run(Cmd.EJECT, effect=Effect.IDEMPOTENT)
        if told.job == Job.ILLEGAL and told.card not in _INSIDE:
            return  # an eject before, whose answer was lost, has done it
        _raise_trouble(told)

    async def _done(self, command: Cmd, data: bytes = b"", *, effect: Effect = Effect.READ) -> Answer:
        told = await self._line.run(command, data, effect=effect)
        if told.job == Job.WAITING_FOR_CARD:
            with suppress(BridgeError):  # what counts is that there was no card
                await self._line.run(Cmd.CANCEL, effect=Effect.IDEMPOTENT)
            raise DeviceFault("no_media", Action.RESET, f"command {command:02X} waits for a card, there is none")
        _raise_trouble(told)
        return told


def _raise_trouble(told: Answer) -> None:
    if told.trouble != Trouble.NONE:
        code, action, words = FAULTS.get(told.trouble, _UNLISTED)
        raise DeviceFault(code, action, f"{words} (P {told.trouble:02X} of command {told.command:02X})")
    if told.job == Job.ILLEGAL:
        raise DeviceFault("command_sequence", Action.RESET, f"command {told.command:02X} is not possible in this state")


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one unit; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, sanwa_crp_codec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    line = SanwaLine(
        link,
        clock,
        attempts=timing.attempts,
        ack_s=options.ack_s,
        poll_s=options.poll_ms / 1000,
        run_s=timing.reply_ms / 1000,
    )
    return Driver(line, options)
