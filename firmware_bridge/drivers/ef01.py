"""Fingerprint modules of the EF 01 family (ZFM-20, R30x, FPM10A, AS608, R503).

Only accept or refuse, a page and a score leave this file: images stay inside the module, and so do templates unless
``Options.export_templates`` says otherwise.
"""

import base64

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.fingerprint import (
    DeleteArgs,
    EnrolArgs,
    EnrolOutput,
    FingerArgs,
    FingerprintStatus,
    MatchOutput,
    PageArgs,
)
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Nothing, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.ef01 import (
    ANY_ADDRESS,
    Acknowledgement,
    Confirmation,
    DataPacket,
    Ef01Codec,
    Ef01Reply,
    Instruction,
    encode,
    parse_parameters,
)
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._ef01_faults import fault_of
from firmware_bridge.drivers._kept import kept
from firmware_bridge.errors import DeviceFault, FrameError, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport

# Data bytes of a good acknowledgement, from the command tables: a late answer to another command has other ones.
_DATA_BYTES = {
    Instruction.MATCH: 2,
    Instruction.SEARCH: 4,
    Instruction.READ_PARAMETERS: 16,
    Instruction.COUNT_TEMPLATES: 2,
}
_LAY_AGAIN = (Confirmation.IMAGE_FAILED, Confirmation.IMAGE_MESSY, Confirmation.FEW_FEATURES, Confirmation.NO_IMAGE)
_FIRST, _SECOND = 1, 2  # the module's two feature buffers
_LONGEST_TEMPLATE = 16 * 1024  # modules send 512 to 1536 bytes


_FACTORY_ADDRESS = 0xFFFFFFFF

_status = kept(FingerprintStatus)


class Options(BaseModel):
    """Quirks of a module."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: int = Field(default=ANY_ADDRESS, ge=0, le=ANY_ADDRESS)
    password: int = Field(default=0, ge=0, le=0xFFFFFFFF, description="of the module; 0 from the factory")
    export_templates: bool = Field(default=False, description="enrolling hands the template out, as a personal field")
    finger_ms: int = Field(default=150, ge=50, le=5000, description="pace of looking for a finger")


class Driver:
    """A fingerprint module. ``identify`` of the capability searches every page that the module has."""

    capability = "fingerprint"

    def __init__(self, link: Link[Ef01Reply], clock: Clock, options: Options, attempts: int) -> None:
        self._link = link
        self._clock = clock
        self._options = options
        self._attempts = attempts
        self._finger_s = options.finger_ms / 1000
        self._pages = 0

    async def identify(self) -> Identity:
        await self._unlock()
        try:
            parameters = parse_parameters((await self._done(Instruction.READ_PARAMETERS)).data)
        except ValueError as error:
            raise PeerBrokeProtocol(str(error)) from error
        self._pages = parameters.pages
        # The factory's address is the same for every module: only one that was set tells modules apart.
        own = "" if parameters.address == _FACTORY_ADDRESS else f"{parameters.address:08X}"
        return Identity(model=f"EF01 system {parameters.system_id:04X}", serial_number=own)

    async def status(self) -> FingerprintStatus:
        try:
            count = (await self._done(Instruction.COUNT_TEMPLATES)).data
        except DeviceFault as fault:
            if fault.code != "hardware_error":
                raise
            return _status(device=DeviceState.HARDWARE_ERROR)
        return _status(device=DeviceState.ONLINE, enrolled=int.from_bytes(count[:2], "big"))

    async def execute(self, command: Command, args: Shape) -> Shape:
        match command.name:
            case "identify":
                return await self._search(arguments(args, FingerArgs).wait_s)
            case "verify":
                wanted = arguments(args, PageArgs)
                return await self._verify(wanted.page, wanted.wait_s)
            case "enrol":
                enrolled = arguments(args, EnrolArgs)
                return await self._enrol(enrolled.page, enrolled.wait_s)
            case "delete":
                return await self._delete(arguments(args, DeleteArgs).page)
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A fingerprint module holds no events."""

    def counters(self) -> dict[str, float]:
        return self._link.counters.as_metrics()

    async def close(self) -> None:
        await self._link.close()

    # ------------------------------------------------------------------------------------------------ commands

    async def _search(self, wait_s: float) -> MatchOutput:
        await self._capture(_FIRST, self._clock.monotonic() + wait_s)
        every_page = bytes((_FIRST, 0, 0)) + self._pages.to_bytes(2, "big")
        found = await self._done(Instruction.SEARCH, every_page, but=(Confirmation.NOT_FOUND,))
        if found.confirmation == Confirmation.NOT_FOUND:
            return MatchOutput(matched=False)
        page, score = int.from_bytes(found.data[:2], "big"), int.from_bytes(found.data[2:4], "big")
        return MatchOutput(matched=True, page=page, score=score)

    async def _verify(self, page: int, wait_s: float) -> MatchOutput:
        await self._capture(_FIRST, self._clock.monotonic() + wait_s)
        await self._done(Instruction.LOAD, bytes((_SECOND,)) + page.to_bytes(2, "big"))
        compared = await self._done(Instruction.MATCH, but=(Confirmation.NO_MATCH,))
        if compared.confirmation == Confirmation.NO_MATCH:
            return MatchOutput(matched=False)
        return MatchOutput(matched=True, page=page, score=int.from_bytes(compared.data[:2], "big"))

    async def _enrol(self, page: int, wait_s: float) -> EnrolOutput:
        give_up = self._clock.monotonic() + wait_s
        await self._capture(_FIRST, give_up)
        await self._until(give_up, Confirmation.NO_FINGER, "the finger to be lifted")
        await self._capture(_SECOND, give_up)
        made = await self._done(Instruction.MAKE_TEMPLATE, but=(Confirmation.TEMPLATES_DIFFER,))
        if made.confirmation == Confirmation.TEMPLATES_DIFFER:
            raise DeviceFault("no_capture_data", Action.RESET, "expected the same finger twice, the images differ")
        await self._done(Instruction.STORE, bytes((_FIRST,)) + page.to_bytes(2, "big"), effect=Effect.IDEMPOTENT)
        if not self._options.export_templates:
            return EnrolOutput()
        return EnrolOutput(template=base64.b64encode(await self._template()).decode())

    async def _template(self) -> bytes:
        """The template in the first buffer, in parts after an acknowledgement of its own."""
        parts = bytearray()
        async with self._link.exchange() as line:
            packet = encode(Instruction.UPLOAD_TEMPLATE, bytes((_FIRST,)), address=self._options.address)
            begun = await line.request(packet, effect=Effect.READ, accept=_is_acknowledgement)
            assert isinstance(begun, Acknowledgement)
            self._raise_unless(begun, Instruction.UPLOAD_TEMPLATE, ())
            while len(parts) <= _LONGEST_TEMPLATE:
                part = await line.reply(effect=Effect.READ, accept=_is_data)
                assert isinstance(part, DataPacket)
                parts += part.data
                if part.last:
                    return bytes(parts)
        raise PeerBrokeProtocol(f"template: expected at most {_LONGEST_TEMPLATE} bytes, got more")

    async def _delete(self, page: int) -> Nothing:
        one = (1).to_bytes(2, "big")
        await self._done(Instruction.DELETE, page.to_bytes(2, "big") + one, effect=Effect.IDEMPOTENT)
        return Nothing()

    async def _capture(self, buffer: int, give_up: float) -> None:
        """Features of a finger in ``buffer``; a bad image is taken again until ``give_up``."""
        while True:
            await self._until(give_up, Confirmation.OK, "a finger")
            features = await self._done(Instruction.IMAGE_TO_FEATURES, bytes((buffer,)), but=_LAY_AGAIN)
            if features.confirmation == Confirmation.OK:
                return
            if self._clock.monotonic() >= give_up:
                raise DeviceFault("no_capture_data", Action.RESET, "expected a clear image of a finger, none was clear")
            await self._clock.sleep(self._finger_s)

    async def _until(self, give_up: float, wanted: Confirmation, what: str) -> None:
        """Look at the sensor until it says ``wanted``; there is one look even when no time is left."""
        expected = (Confirmation.NO_FINGER, *_LAY_AGAIN)
        while (await self._done(Instruction.GET_IMAGE, but=expected)).confirmation != wanted:
            if self._clock.monotonic() >= give_up:
                raise DeviceFault("no_capture_data", Action.RESET, f"expected {what} in time, it did not happen")
            await self._clock.sleep(self._finger_s)

    # ------------------------------------------------------------------------------------------------ exchange

    async def _unlock(self) -> None:
        answer = await self._ask(Instruction.VERIFY_PASSWORD, self._options.password.to_bytes(4, "big"))
        self._raise_unless(answer, Instruction.VERIFY_PASSWORD, ())

    async def _done(
        self,
        instruction: Instruction,
        data: bytes = b"",
        *,
        but: tuple[Confirmation, ...] = (),
        effect: Effect = Effect.READ,
    ) -> Acknowledgement:
        """The acknowledgement with OK or one of ``but``; DeviceFault for others. A restarted module is unlocked."""
        answer = await self._ask(instruction, data, effect)
        if answer.confirmation == Confirmation.PASSWORD_NEEDED:
            await self._unlock()
            answer = await self._ask(instruction, data, effect)
        self._raise_unless(answer, instruction, but)
        return answer

    async def _ask(self, instruction: Instruction, data: bytes, effect: Effect = Effect.READ) -> Acknowledgement:
        def accept(answer: Ef01Reply) -> bool:
            if not isinstance(answer, Acknowledgement):
                return False
            length_fits = len(answer.data) == _DATA_BYTES.get(instruction, 0)
            return answer.address == self._options.address and (length_fits or answer.confirmation != Confirmation.OK)

        packet = encode(instruction, data, address=self._options.address)
        for _ in range(self._attempts):
            answer = await self._link.request(packet, effect=effect, accept=accept)
            assert isinstance(answer, Acknowledgement)
            if answer.confirmation != Confirmation.PACKET_ERROR:  # damaged on the way: not carried out
                return answer
        raise FrameError(f"the module received {self._attempts} damaged packets; check the cable and the line's speed")

    def _raise_unless(self, answer: Acknowledgement, instruction: Instruction, but: tuple[Confirmation, ...]) -> None:
        if answer.confirmation == Confirmation.OK or answer.confirmation in but:
            return
        raise fault_of(answer.confirmation, instruction)


def _is_acknowledgement(reply: Ef01Reply) -> bool:
    return isinstance(reply, Acknowledgement)


def _is_data(reply: Ef01Reply) -> bool:
    return isinstance(reply, DataPacket)


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one module; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Ef01Reply] = Link(
        transport, Ef01Codec(), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    return Driver(link, clock, options, timing.attempts)
