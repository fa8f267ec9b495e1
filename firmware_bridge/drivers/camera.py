"""Cameras and what stands in for one: takes a picture when it is asked, and never otherwise.

Source: see ``codecs.camera``. Pictures show people: they are in no log, no ``repr`` and no error. The liveness check is
never the only way to identify: see ``_liveness``.
"""

import base64
from typing import Literal

from pydantic import Field

from device_profiles.capabilities.camera import CameraStatus, Lens, PictureArgs, PictureOutput
from device_profiles.capabilities.model import Action, Command, DeviceState, Effect, Event, Identity, Shape
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.clock import Clock
from firmware_bridge.codecs.camera import LONGEST_PICTURE, CameraCodec, Note, Picture, Reply, encode_ask
from firmware_bridge.drivers import arguments, options_of, unsupported
from firmware_bridge.drivers._kept import kept
from firmware_bridge.drivers._liveness import ADAPTERS
from firmware_bridge.errors import DeviceFault, PeerBrokeProtocol
from firmware_bridge.link import Link
from firmware_bridge.transports import Transport
from firmware_bridge.transports.v4l2 import View

_status = kept(CameraStatus)


class Options(View):
    """How pictures are taken and judged; size and warm-up are for a V4L2 node only."""

    longest_frame: int = Field(default=256 * 1024, ge=1_000, le=LONGEST_PICTURE, description="bytes from the camera")
    liveness: Literal["none", "file"] = Field(default="none", description="file: the verdict beside the picture")


class Driver:
    """One camera. A picture that comes late shows somebody else: its tag tells, and it is thrown away."""

    capability = "camera"

    def __init__(self, link: Link[Reply], clock: Clock, options: Options) -> None:
        self._link = link
        self._clock = clock
        self._liveness = ADAPTERS[options.liveness]
        self._tag = 0
        self._taken = 0
        self._bytes_last = 0

    async def identify(self) -> Identity:
        note = await self._ready()
        return Identity(model=note.text if note.word == "ready" else "camera")

    async def status(self) -> CameraStatus:
        note = await self._ready()
        return _status(device=DeviceState.ONLINE, lens=Lens.OK if note.word == "ready" else Lens.INOPERATIVE)

    async def execute(self, command: Command, args: Shape) -> Shape:
        if command.name == "take_picture":
            wanted = arguments(args, PictureArgs)
            return _output(await self.picture(wanted.wait_s), wanted.longest)
        if command.name == "check_liveness":
            wanted = arguments(args, PictureArgs)
            await self._ready()  # "undecided" is an answer about a camera that is there
            return await self._liveness.judge(self, wanted.wait_s)
        raise unsupported(self.capability, command)

    async def poll(self) -> list[Event]:
        return []

    async def confirm(self, event: Event) -> None:
        """A camera holds no events."""

    def counters(self) -> dict[str, float]:
        pictures = {"pictures": float(self._taken), "picture_bytes_last": float(self._bytes_last)}
        return self._link.counters.as_metrics() | pictures

    async def close(self) -> None:
        await self._link.close()

    async def picture(self, wait_s: float) -> Picture:
        """A picture taken from now on. Raises DeviceFault when the camera cannot, LinkTimeout after ``wait_s``."""
        tag = self._next_tag()
        give_up = self._clock.monotonic() + wait_s

        def is_answer(reply: Reply) -> bool:
            return isinstance(reply, Note) and reply.tag == tag and reply.word in ("picture", "blind")

        async with self._link.exchange() as line:
            # Asked once: each try would switch the camera on anew, and the tag sorts out what is late.
            await line.send(encode_ask("!", tag))
            note = await line.reply(effect=Effect.READ, accept=is_answer, deadline_s=wait_s)
            if isinstance(note, Note) and note.word == "blind":
                raise DeviceFault("camera_inoperative", Action.MAINTENANCE, f"expected a picture, got: {note.text}")
            left_s = max(0.1, give_up - self._clock.monotonic())
            picture = await line.reply(effect=Effect.READ, accept=_is_picture, deadline_s=left_s)
        if not isinstance(picture, Picture):
            raise PeerBrokeProtocol("expected a picture behind its announcement, got something else")
        self._taken += 1
        self._bytes_last = len(picture.data)
        return picture

    async def verdict(self) -> str:
        """What stands beside the last picture."""
        return (await self._ask("=", ("verdict", "blind"))).text

    async def _ready(self) -> Note:
        return await self._ask("?", ("ready", "blind"))

    async def _ask(self, what: Literal["?", "="], words: tuple[str, ...]) -> Note:
        tag = self._next_tag()

        def is_answer(reply: Reply) -> bool:
            return isinstance(reply, Note) and reply.tag == tag and reply.word in words

        reply = await self._link.request(encode_ask(what, tag), effect=Effect.READ, accept=is_answer)
        if not isinstance(reply, Note):
            raise PeerBrokeProtocol("expected a note, got a picture")
        return reply

    def _next_tag(self) -> int:
        self._tag = (self._tag + 1) & 0xFF
        return self._tag


def _is_picture(reply: Reply) -> bool:
    return isinstance(reply, Picture)


def _output(picture: Picture, longest: int) -> PictureOutput:
    if (size := len(picture.data)) > longest:
        raise DeviceFault(
            "picture_too_large",
            Action.CONFIGURATION,
            f"expected a picture of at most {longest} bytes, this ({picture.width} by {picture.height}) has {size}: "
            "choose a smaller width and height in the profile",
        )
    return PictureOutput(
        image=base64.b64encode(picture.data).decode("ascii"), width=picture.width, height=picture.height
    )


def open_driver(profile: PeripheralProfile, transport: Transport, clock: Clock) -> Driver:
    """The driver of one camera; ``transport`` is open before the first call."""
    options = options_of(profile, Options)
    timing = profile.timing
    link: Link[Reply] = Link(
        transport, CameraCodec(options.longest_frame), clock, reply_s=timing.reply_ms / 1000, attempts=timing.attempts
    )
    return Driver(link, clock, options)
