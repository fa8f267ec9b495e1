"""A unit of the hall device profile (HDP) that speaks SMP on a line of its own: the commands of its user group."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from device_profiles.capabilities.model import Action, Effect, Identity
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs import hdp_smp
from firmware_bridge.codecs.hdp_model import DeviceClass, EventBlock, Show
from firmware_bridge.codecs.smp_frame import Framing, Operation, SmpCodec, SmpMessage, encode_frame
from firmware_bridge.drivers import options_of
from firmware_bridge.drivers._hdp_unit import HdpUnit, Picture
from firmware_bridge.errors import BridgeError, DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link, LinkCounters
from firmware_bridge.transports import Transport

# Error codes that all groups share (Zephyr, enum mcumgr_err_t).
_INVALID, _NO_ENTRY, _NOT_SUPPORTED = 3, 5, 8
_IMAGE_GROUP, _IMAGE_STATE = 1, 0


class Options(BaseModel):
    """Quirks of a unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    framing: Literal["console", "cobs"] = Field(default="console", description="how messages travel on the line")
    group: int = Field(
        default=hdp_smp.GROUP, ge=64, le=0xFFFF, description="user group that the firmware has put it in"
    )


class SmpUnit(HdpUnit):
    """The SMP binding."""

    def __init__(self, link: Link[SmpMessage], clock: Clock, options: Options, device_class: DeviceClass) -> None:
        super().__init__(clock, device_class)
        self._link = link
        self._framing: Framing = options.framing
        self._group = options.group
        self._sequence = 0
        self._seen = 0

    @property
    def counters(self) -> LinkCounters:
        return self._link.counters

    async def identify(self) -> Identity:
        """The firmware is what the boot loader started, where there is one that tells (MCUboot)."""
        found = await super().identify()
        request = SmpMessage(Operation.READ, _IMAGE_GROUP, _IMAGE_STATE, self._next(), {})
        data = encode_frame(request, self._framing)
        answer = await self._link.request(data, effect=Effect.READ, accept=lambda reply: reply.answers(request))
        version = _image_version(answer.body.get("images"))
        return found if version is None else found.model_copy(update={"firmware": version})

    async def event_block(self) -> EventBlock:
        answer = await self._ask(hdp_smp.read_state(self._next(), self._group), Effect.READ)
        try:
            block, self._seen = hdp_smp.parse_state(answer.body)
        except ValueError as error:
            raise PeerBrokeProtocol(f"{error}; the keys are in docs/peripherals/hdp.md") from error
        return block

    async def event_seen(self) -> int:
        return self._seen  # came with the state

    async def let_go(self, sequence: int) -> None:
        await self._ask(hdp_smp.write_seen(self._next(), sequence, self._group), Effect.IDEMPOTENT)
        self._seen = sequence

    async def show_mode(self, mode: Show) -> None:
        await self._ask(hdp_smp.show_mode(self._next(), mode, self._group), Effect.IDEMPOTENT)

    async def show(self, picture: Picture) -> None:
        shown = (picture.mode, picture.prefix, picture.number, picture.counter, picture.text)
        await self._ask(hdp_smp.show_picture(self._next(), *shown, self._group), Effect.IDEMPOTENT)

    async def close(self) -> None:
        await self._link.close()

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFF
        return self._sequence

    async def _ask(self, request: SmpMessage, effect: Effect) -> SmpMessage:
        data = encode_frame(request, self._framing)
        answer = await self._link.request(data, effect=effect, accept=lambda reply: reply.answers(request))
        if (refusal := answer.refusal) is not None:
            raise self._refused(request, *refusal)
        return answer

    def _refused(self, request: SmpMessage, group: int, code: int) -> BridgeError:
        told = f"group {request.group}, command {request.command}: error {code} of group {group}"
        if (group, code) in ((self._group, hdp_smp.Refusal.INVALID_VALUE), (0, _INVALID)):
            return DeviceFault("invalid_data", Action.SOFTWARE_ERROR, told)
        if group == 0 and code in (_NO_ENTRY, _NOT_SUPPORTED):
            return PeerBrokeProtocol(f"{told}: this device lacks a command that the profile demands")
        return DeviceFault("hardware_error", Action.MAINTENANCE, told)


def _image_version(images: object) -> str | None:
    for image in images if isinstance(images, list) else []:
        if isinstance(image, Mapping) and image.get("active") and isinstance(version := image.get("version"), str):
            return version[:40]
    return None


def open_unit(profile: PeripheralProfile, transport: Transport, clock: Clock, device_class: DeviceClass) -> HdpUnit:
    """A unit as the profile describes it."""
    options = options_of(profile, Options)
    timing = profile.timing
    codec = SmpCodec(options.framing)
    link: Link[SmpMessage] = Link(transport, codec, clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts)
    return SmpUnit(link, clock, options, device_class)
