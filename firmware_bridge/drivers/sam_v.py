"""Identity card readers with an SAM_V module: find, select, read; the photo never leaves this file's locals."""

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.id_reader import IdDocument, IdReaderStatus, ReadIdArgs
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.id_text import address_text, parse_document
from firmware_bridge.codecs.sam_v import (
    FIND,
    READ,
    READ_APPENDED,
    SAM_ID,
    SELECT,
    STATUS,
    Request,
    SamCodec,
    SamReply,
    Sw,
    sam_id_text,
    text_of_read,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.errors import BridgeError, DeviceFault, FrameError, PeerBrokeProtocol, UnsupportedCommand
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

DAMAGED_TRIES = 3  # a command that the module received damaged was not carried out: say it again at once

_MODULE_FAULTS: dict[int, tuple[str, Action, str]] = {
    Sw.UNKNOWN_ERROR: ("hardware_error", Action.MAINTENANCE, "unknown error of the module"),
    Sw.SELF_TEST_FAILED: ("hardware_error", Action.MAINTENANCE, "the module's self-test failed"),
    Sw.NOT_AUTHORISED: ("not_authorised", Action.CONFIGURATION, "the module is not authorised for this host"),
}
_CARD_FAULTS: dict[int, str] = {
    Sw.CARD_REJECTS_READER: "the card does not accept the reader",
    Sw.READER_REJECTS_CARD: "the reader does not accept the card",
    Sw.VERIFY_ERROR: "the card's check failed",
    Sw.WRONG_CARD_TYPE: "not an identity card",
}
_LAY_AGAIN = (Sw.READ_FAILED, Sw.RANDOM_FAILED)


class Options(BaseModel):
    """Quirks of a reader."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    find_ms: int = Field(default=300, ge=300, le=5000, description="pace of looking for a card; modules need 300 ms")
    appended_address: bool = Field(default=False, description="use the newest address that was added to the chip")


class Driver:
    """An ID reader.

    A module answers "no card" while the card of the last read still lies on it, and after a failed read the card has
    to be laid again: ``read`` waits for that as it waits for any card, up to ``wait_s``.
    """

    capability = "id_reader"

    def __init__(self, link: Link[SamReply], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._find_s = options.find_ms / 1000
        self._appended_address = options.appended_address

    async def identify(self) -> Identity:
        reply = await self._ask(SAM_ID)
        if reply.sw3 in _MODULE_FAULTS:
            raise _fault(reply, Sw.OK)
        if reply.sw3 != Sw.OK:
            raise PeerBrokeProtocol(f"SAM id: expected SW3 90, got {reply.sw3:02X}: is this an SAM_V module?")
        return Identity(model="SAM_V", serial_number=sam_id_text(reply.data))

    async def status(self) -> IdReaderStatus:
        reply = await self._ask(STATUS)
        healthy = reply.sw3 == Sw.OK
        return IdReaderStatus(device=DeviceState.ONLINE if healthy else DeviceState.HARDWARE_ERROR)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name != "read":
            raise unsupported(self.capability, command)
        return await self._read(arguments(args, ReadIdArgs).wait_s)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A reader holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    async def _read(self, wait_s: float) -> IdDocument:
        give_up = self._clock.monotonic() + wait_s
        failed = ""
        while True:
            if await self._card_is_there():
                reply = await self._ask(READ)
                if reply.sw3 == Sw.OK:
                    return await self._document(reply)
                failed = self._read_failure(reply)
            if (left := give_up - self._clock.monotonic()) <= 0:
                raise self._nothing_read(wait_s, failed)
            await self._clock.sleep(min(self._find_s, left))

    async def _card_is_there(self) -> bool:
        found = await self._ask(FIND)
        if found.sw3 == Sw.NO_CARD:
            return False
        self._raise_unless(found, Sw.FOUND)
        selected = await self._ask(SELECT)
        if selected.sw3 == Sw.SELECT_FAILED:
            return False
        self._raise_unless(selected, Sw.OK)
        return True

    async def _document(self, reply: SamReply) -> IdDocument:
        document = parse_document(text_of_read(reply.data))
        if not self._appended_address:
            return document
        appended = await self._ask(READ_APPENDED)
        if appended.sw3 == Sw.ABSENT:
            return document
        self._raise_unless(appended, Sw.OK)
        return document.model_copy(update={"address": address_text(appended.data)})

    def _read_failure(self, reply: SamReply) -> str:
        if reply.sw3 not in _LAY_AGAIN:
            self._raise_unless(reply, Sw.OK)
        return f"reading failed with SW {reply.sw1:02X} {reply.sw2:02X} {reply.sw3:02X}; the card must be laid again"

    def _nothing_read(self, wait_s: float, failed: str) -> DeviceFault:
        if failed:
            return DeviceFault("invalid_media", Action.RESET, failed)
        return DeviceFault(
            "no_media",
            Action.RESET,
            f"expected an ID card within {wait_s:g} s, none came (or the last one was not taken away and laid again)",
        )

    def _raise_unless(self, reply: SamReply, expected: int) -> None:
        if reply.sw3 == expected:
            return
        raise _fault(reply, expected)

    async def _ask(self, request: Request) -> SamReply:
        for _ in range(DAMAGED_TRIES):
            reply = await self._link.request(request.encode(), effect=Effect.READ, accept=request.is_answered_by)
            if reply.sw3 not in (Sw.BAD_CHECKSUM, Sw.BAD_LENGTH):
                return reply
        raise FrameError(
            f"command {request.command:02X} {request.parameter:02X}: the module received it damaged {DAMAGED_TRIES} "
            f"times (SW3 {reply.sw3:02X}); check the cable and the line's speed"
        )


def _fault(reply: SamReply, expected: int) -> BridgeError:
    told = f"expected SW3 {expected:02X}, got {reply.sw1:02X} {reply.sw2:02X} {reply.sw3:02X}"
    if reply.sw3 == Sw.BAD_COMMAND:
        return UnsupportedCommand(f"the module does not know this command ({told})")
    if reply.sw3 in _CARD_FAULTS:
        return DeviceFault("invalid_media", Action.RESET, f"{_CARD_FAULTS[reply.sw3]} ({told})")
    code, action, words = _MODULE_FAULTS.get(
        reply.sw3, ("hardware_error", Action.MAINTENANCE, "a state that the protocol's tables do not explain")
    )
    return DeviceFault(code, action, f"{words} ({told})")


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one reader; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link = Link(transport, SamCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return Driver(link, clock, options)
