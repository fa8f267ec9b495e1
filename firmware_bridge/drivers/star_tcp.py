"""Rewritable thermal card printers Star TCP300 and TCP300II."""

from collections.abc import Sequence
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.card_printer import CardCover, CardMedia, CardPrinterStatus, PrintCardArgs
from device_profiles.capabilities.card_reader import Stacker
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.star_tcp import (
    Answer,
    Cmd,
    Reply,
    Result,
    Sensors,
    encode,
    parse_counter,
    parse_sensors,
    print_data,
    star_tcp_codec,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._handshake import CommandRejected, Handshaker
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import DeviceFault, LinkTimeout, OutcomeUnknown, PeerBrokeProtocol, UnsupportedCommand
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

# STATUS of an answer, from the TCP300 manual: XFS word, who must act, what it means.
FAULTS: dict[int, tuple[str, Action, str]] = {
    Result.NO_CARD: ("no_media", Action.RESET, "no card in the printer"),
    Result.STRIPE_READ_31: ("invalid_media", Action.RESET, "the magnetic stripe cannot be read"),
    Result.STRIPE_READ_32: ("invalid_media", Action.RESET, "the magnetic stripe cannot be read"),
    Result.STRIPE_READ_33: ("invalid_media", Action.RESET, "the magnetic stripe cannot be read"),
    Result.STRIPE_READ_34: ("invalid_media", Action.RESET, "the magnetic stripe cannot be read"),
    Result.STRIPE_WRITE: ("invalid_media", Action.RESET, "the magnetic stripe cannot be written"),
    Result.JAM: ("media_jam", Action.MAINTENANCE, "card jam"),
    Result.COVER_OPEN: ("cover_open", Action.CLEAR, "the cover is open"),
    Result.INVALID: ("invalid_data", Action.SOFTWARE_ERROR, "invalid command or data"),
    Result.CAM_MOTOR: ("hardware_error", Action.MAINTENANCE, "cam motor"),
    Result.ERASE_HEAD_TEMPERATURE: ("hardware_error", Action.MAINTENANCE, "temperature of the erase head"),
    Result.EEPROM: ("hardware_error", Action.MAINTENANCE, "EEPROM"),
    Result.BUFFER_OVERFLOW: ("invalid_data", Action.SOFTWARE_ERROR, "more text than fits on a card"),
}
_UNLISTED = ("hardware_error", Action.MAINTENANCE, "a state that the manual does not list")
_STACKER = {None: None, True: Stacker.OK, False: Stacker.EMPTY}
_STILL_ONLINE = (Result.OK, Result.NO_CARD, Result.JAM, Result.COVER_OPEN)

_status = kept(CardPrinterStatus)


class Options(BaseModel):
    """Quirks of a card printer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ack_s: float = Field(default=1.0, gt=0, le=10, description="how long it may take to acknowledge a frame")


class Driver:
    """A card printer behind a card unit; ``timing.reply_ms`` covers its slowest command (3 s by the manual)."""

    capability = "card_printer"

    def __init__(self, link: Link[Reply], options: Options, attempts: int) -> None:
        self._link = link
        self._attempts = attempts
        self._line = Handshaker[Answer](link, attempts=attempts, ack_s=options.ack_s)

    async def identify(self) -> Identity:
        version = (await self._done(Cmd.ROM_VERSION)).data.decode("latin-1").strip()
        if not version.isascii() or not version.isprintable():
            raise PeerBrokeProtocol("ROM version: expected printable characters: is this a TCP300?")
        model, _, firmware = version.rpartition(" ")
        return Identity(model=model or firmware, firmware=firmware)

    async def status(self) -> CardPrinterStatus:
        try:
            answer = await self._ask(Cmd.STATUS)
            counters = await self._ask(Cmd.COUNTERS)
        except CommandRejected:
            return _status(device=DeviceState.BUSY)
        if (sensors := parse_sensors(answer.data)) is None:
            raise PeerBrokeProtocol(f"status: expected 6 or 7 digits, got {answer.data[:16].hex(' ') or 'nothing'}")
        opened = sensors.cover_open or answer.result == Result.COVER_OPEN
        return _status(
            device=DeviceState.ONLINE if answer.result in _STILL_ONLINE else DeviceState.HARDWARE_ERROR,
            media=_media(answer.result, sensors),
            cover=CardCover.OPEN if opened else CardCover.CLOSED,
            stacker=_STACKER[sensors.stacker_has_cards],
            printed_total=parse_counter(counters.data) if counters.result == Result.OK else None,
        )

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "print":
            return await self._print(arguments(args, PrintCardArgs).lines)
        if command.name == "reset":
            await self._done(Cmd.RESET, effect=Effect.IDEMPOTENT)
            return Nothing()
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A card printer holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _print(self, lines: Sequence[str]) -> Nothing:
        try:
            parts = print_data(lines)
        except ValueError as error:
            raise UnsupportedCommand(f"print: {error}") from error
        await self._fill_buffer(parts)
        await self._done(Cmd.ERASE_PRINT_EJECT, effect=Effect.ONCE)
        return Nothing()

    async def _fill_buffer(self, parts: Sequence[bytes]) -> None:
        """PRINT_DATA appends, so after a lost reply it is not sent again: the buffer is cleared and filled anew."""
        for _ in range(1, self._attempts):
            with suppress(OutcomeUnknown):  # nothing has moved: only the buffer's content is not known
                return await self._fill_once(parts)
        try:
            return await self._fill_once(parts)
        except OutcomeUnknown as unknown:
            raise LinkTimeout(f"print data: {unknown}; nothing was printed") from unknown

    async def _fill_once(self, parts: Sequence[bytes]) -> None:
        await self._done(Cmd.CLEAR_BUFFER, effect=Effect.IDEMPOTENT)
        for part in parts:
            await self._done(Cmd.PRINT_DATA, part, effect=Effect.ONCE)

    async def _done(self, command: Cmd, data: bytes = b"", *, effect: Effect = Effect.READ) -> Answer:
        answer = await self._ask(command, data, effect=effect)
        if answer.result != Result.OK:
            code, action, words = FAULTS.get(answer.result, _UNLISTED)
            raise DeviceFault(code, action, f"{words} (status {answer.result:02X} of command {command:02X})")
        return answer

    async def _ask(self, command: Cmd, data: bytes = b"", *, effect: Effect = Effect.READ) -> Answer:
        return await self._line.ask(
            encode(command, data), effect=effect, accept=lambda answer: answer.command == command
        )


def _media(result: int, sensors: Sensors) -> CardMedia:
    if result == Result.JAM:
        return CardMedia.JAMMED
    return CardMedia.PRESENT if sensors.inside or sensors.inlet else CardMedia.NOT_PRESENT


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one card printer; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, star_tcp_codec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    return Driver(link, options, timing.attempts)
