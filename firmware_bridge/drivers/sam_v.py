"""Identity card readers with an SAM_V module: find, select, read; the photo never leaves the codec's locals."""

import base64

from pydantic import BaseModel, ConfigDict, Field, model_validator

from device_profiles.capabilities.id_reader import IdDocument, IdReaderStatus, ReadIdArgs
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.id_text import address_text, parse_document
from firmware_bridge.codecs.sam_v import (
    FIND,
    READ,
    READ_APPENDED,
    READ_WITH_FINGERPRINTS,
    SAM_ID,
    SELECT,
    STATUS,
    Request,
    SamCodec,
    SamReply,
    Sw,
    card_data,
    sam_id_text,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._sam_v_faults import MODULE_FAULTS, fault_of
from firmware_bridge.drivers._sam_v_speed import Speed
from firmware_bridge.errors import DeviceFault, FrameError, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

DAMAGED_TRIES = 3  # a command that the module received damaged was not carried out: say it again at once

_LAY_AGAIN = (Sw.READ_FAILED, Sw.RANDOM_FAILED)

_status = kept(IdReaderStatus)


class Options(BaseModel):
    """Quirks of a reader."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    find_ms: int = Field(default=300, ge=300, le=5000, description="pace of looking for a card; modules need 300 ms")
    appended_address: bool = Field(default=False, description="use the newest address that was added to the chip")
    fingerprints: bool = Field(default=False, description="ask the chip for fingerprints: tells whether it holds some")
    export_fingerprints: bool = Field(
        default=False, description="also hand their features out, as a personal field; needs fingerprints = true"
    )
    find_baud: bool = Field(
        default=False, description="look for a silent module at every rate it knows, bring it to the profile's one"
    )

    @model_validator(mode="after")
    def _nothing_to_export(self) -> "Options":
        if self.export_fingerprints and not self.fingerprints:
            raise ValueError("export_fingerprints: expected fingerprints = true beside it")
        return self


class Driver:
    """An ID reader.

    A module answers "no card" while the card of the last read still lies on it, and after a failed read the card has
    to be laid again: ``read`` waits for that as it waits for any card, up to ``wait_s``.
    """

    capability = "id_reader"

    def __init__(self, link: Link[SamReply], clock: Clock, options: Options, speed: Speed | None = None) -> None:
        self._link = link
        self._clock = clock
        self._options = options
        self._find_s = options.find_ms / 1000
        self._speed = speed
        self._read_command = READ_WITH_FINGERPRINTS if options.fingerprints else READ

    async def identify(self) -> Identity:
        if self._speed is not None:
            await self._speed.settle()
        reply = await self._ask(SAM_ID)
        if reply.sw3 in MODULE_FAULTS:
            raise fault_of(reply, Sw.OK)
        if reply.sw3 != Sw.OK:
            raise PeerBrokeProtocol(f"SAM id: expected SW3 90, got {reply.sw3:02X}: is this an SAM_V module?")
        return Identity(model="SAM_V", serial_number=sam_id_text(reply.data))

    async def status(self) -> IdReaderStatus:
        reply = await self._ask(STATUS)
        healthy = reply.sw3 == Sw.OK
        return _status(device=DeviceState.ONLINE if healthy else DeviceState.HARDWARE_ERROR)

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
                reply = await self._read_card()
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

    async def _read_card(self) -> SamReply:
        reply = await self._ask(self._read_command)
        if reply.sw3 == Sw.BAD_COMMAND and self._read_command is READ_WITH_FINGERPRINTS:
            self._read_command = READ  # an older module: text and photo only
            reply = await self._ask(READ)
        return reply

    async def _document(self, reply: SamReply) -> IdDocument:
        card = card_data(reply.data, fingerprints=self._read_command is READ_WITH_FINGERPRINTS)
        document = parse_document(card.text)
        if card.fingerprints is not None:
            found: dict[str, object] = {"has_fingerprints": bool(card.fingerprints)}
            if self._options.export_fingerprints:
                found["fingerprints"] = base64.b64encode(card.fingerprints).decode()
            document = document.model_copy(update=found)
        return await self._with_newest_address(document) if self._options.appended_address else document

    async def _with_newest_address(self, document: IdDocument) -> IdDocument:
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
        raise fault_of(reply, expected)

    async def _ask(self, request: Request) -> SamReply:
        for _ in range(DAMAGED_TRIES):
            reply = await self._link.request(request.encode(), effect=Effect.READ, accept=request.is_answered_by)
            if reply.sw3 not in (Sw.BAD_CHECKSUM, Sw.BAD_LENGTH):
                return reply
        raise FrameError(
            f"command {request.command:02X} {request.parameter:02X}: the module received it damaged {DAMAGED_TRIES} "
            f"times (SW3 {reply.sw3:02X}); check the cable and the line's speed"
        )


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one reader; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link = Link(transport, SamCodec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    speed = Speed(profile, transport, clock) if options.find_baud else None
    return Driver(link, clock, options, speed)
