"""QR and barcode scanners of the GM65 / GM60 family in serial mode."""

import re
from contextlib import suppress
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.barcode_reader import BarcodeReaderStatus, ScanArgs, Scanner, ScanOutput
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.gm65 import Answer, Gm65Codec, Reply, Scanned, Zone, encode_read, encode_write
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.errors import BridgeError, DeviceFault, UnsupportedCommand
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

_ON, _OFF = b"\x01", b"\x00"


class Options(BaseModel):
    """Quirks of a scanner."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    charset: Literal["ascii", "utf-8", "gb18030"] = Field(default="utf-8", description="of the decoded text")
    longest_code: int = Field(default=1024, ge=1, le=4296, description="bytes; a longer code is refused")
    check_crc: bool = Field(default=True, description="send a real CRC, not AB CD which switches the check off")
    read_time_s: float = Field(default=3.0, gt=0, le=25, description="the module stops by itself after 5 s or more")


class Driver:
    """A scanner: lit and listening only while ``read`` waits. What it decodes at other times is thrown away.

    A module ends a read by itself after a time of its own (5 s by default): it is triggered again until then.
    """

    capability = "barcode_reader"

    def __init__(self, link: Link[Reply], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._options = options

    async def identify(self) -> Identity:
        identity = await self._ask(encode_read(Zone.IDENTITY, checked=self._options.check_crc))
        return Identity(model=f"GM65 family {identity.hex().upper()}")

    async def status(self) -> BarcodeReaderStatus:
        trigger = await self._ask(encode_read(Zone.TRIGGER, checked=self._options.check_crc))
        lit = bool(trigger[0] & 1)
        return BarcodeReaderStatus(device=DeviceState.ONLINE, scanner=Scanner.ON if lit else Scanner.OFF)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "read":
            raise unsupported(self.capability, command)
        wanted = arguments(args, ScanArgs)
        pattern = _pattern(wanted.pattern)
        return ScanOutput(text=self._checked(await self._scan(wanted.wait_s), pattern))

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A scanner holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _scan(self, wait_s: float) -> Scanned:
        give_up = self._clock.monotonic() + wait_s
        try:
            # A code may be decoded before the answer to the trigger has gone out: either proves that it listens.
            first = await self._link.request(self._trigger(_ON), effect=Effect.IDEMPOTENT, accept=_anything)
            if isinstance(first, Scanned):
                return first
            _data_of(first)
            return await self._wait_for_code(give_up, wait_s)
        finally:
            with suppress(BridgeError):  # what came of the scan counts; a scanner that died shows at its next status
                await self._ask(self._trigger(_OFF))

    async def _wait_for_code(self, give_up: float, wait_s: float) -> Scanned:
        again_at = self._clock.monotonic() + self._options.read_time_s
        while (now := self._clock.monotonic()) < give_up:
            if now >= again_at:
                # Sent, not requested: a request would throw away the half of a code that has already come.
                await self._link.send(self._trigger(_ON))
                again_at = now + self._options.read_time_s
            reply = await self._link.receive(min(give_up, again_at) - now)
            if isinstance(reply, Scanned):
                return reply
        raise DeviceFault("no_media", Action.RESET, f"expected a code within {wait_s:g} s, none was read")

    def _checked(self, scanned: Scanned, pattern: re.Pattern[str] | None) -> str:
        """The text, or ``barcode_invalid``; the error never repeats it: a payment code is as good as money."""
        if not scanned.whole:
            raise _invalid(
                f"expected one code of at most {self._options.longest_code} bytes, got more or a damaged one"
            )
        try:
            text = scanned.data.decode(self._options.charset)
        except UnicodeDecodeError as error:
            raise _invalid(
                f"expected {self._options.charset}, byte {error.start} of {len(scanned.data)} is not"
            ) from None
        if pattern is not None and pattern.fullmatch(text) is None:
            raise _invalid(f"expected a code that matches {pattern.pattern}, got {len(text)} other characters")
        return text

    def _trigger(self, value: bytes) -> bytes:
        return encode_write(Zone.TRIGGER, value, checked=self._options.check_crc)

    async def _ask(self, data: bytes) -> bytes:
        reply = await self._link.request(data, effect=Effect.IDEMPOTENT, accept=_is_answer)
        return _data_of(reply)


def _data_of(reply: Reply) -> bytes:
    if not isinstance(reply, Answer) or reply.state != 0 or not reply.data:
        raise DeviceFault("scanner_inoperative", Action.MAINTENANCE, f"expected state 00 and data, got {reply!r}")
    return reply.data


def _is_answer(reply: Reply) -> bool:
    return isinstance(reply, Answer)


def _anything(reply: Reply) -> bool:
    return True


def _pattern(text: str) -> re.Pattern[str] | None:
    try:
        return re.compile(text) if text else None
    except re.error as error:
        raise UnsupportedCommand(f"pattern: expected a regular expression, got {text!r}: {error}") from error


def _invalid(detail: str) -> DeviceFault:
    return DeviceFault("barcode_invalid", Action.RESET, detail)


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one scanner; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = Gm65Codec(options.longest_code)
    link: Link[Reply] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, clock, options)
