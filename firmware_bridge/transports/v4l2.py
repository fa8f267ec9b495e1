"""A camera through Video4Linux (``/dev/video0``): Motion-JPEG, on only while a picture is waited for."""

import asyncio
import errno
from contextlib import suppress

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from device_profiles.errors import ProfileError
from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.transports._descriptor import settle
from firmware_bridge.transports._pictures import NoPicture, PictureTransport
from firmware_bridge.transports._v4l2_node import Linux, Node, System

_NOT_NOW = (errno.EBUSY, errno.EINVAL, errno.ENOSPC, errno.EIO)  # used by another, no such format, no USB bandwidth
_END = b"\xff\xd9"


class View(BaseModel):
    """How pictures are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=640, ge=16, le=8192)
    height: int = Field(default=480, ge=16, le=8192)
    warm_up: int = Field(default=5, ge=0, le=60, description="frames to pass over while exposure settles")


class V4l2Transport(PictureTransport):
    """One capture node. Several programs may have it open; one may stream."""

    def __init__(self, path: str, view: View, system: System | None = None) -> None:
        super().__init__(path)
        self._view = view
        self._system = system or Linux()
        self._node: Node | None = None
        self._trouble = ""

    async def _open_source(self) -> None:
        self._node = await asyncio.to_thread(Node, self._path, self._system)
        self._trouble = ""

    def _close_source(self) -> None:
        node, self._node = self._node, None
        if node is not None:
            node.close()  # ends a stream as well

    async def _describe(self) -> str:
        if self._trouble:
            raise NoPicture(self._trouble)
        return self._opened().name

    async def _picture(self) -> bytes:
        node = self._opened()
        try:
            await self._start(node)
            try:
                picture = await self._fresh(node)
            except BaseException:
                with suppress(OSError):  # the first trouble counts, and a cancellation stays one
                    node.stop()
                raise
            node.stop()
        except OSError as error:
            if error.errno not in _NOT_NOW:
                raise
            self._trouble = error.strerror or "the camera cannot stream now"
            raise NoPicture(self._trouble) from error
        self._trouble = ""
        return picture

    async def _start(self, node: Node) -> None:
        """Starting takes a USB camera a while, so it runs in a thread; who is cancelled leaves no stream behind."""
        starting = asyncio.get_running_loop().run_in_executor(None, node.start, self._view.width, self._view.height)
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(lambda started: _undo(node, started))
            await asyncio.wait([starting])  # the next start must not meet this one
            raise

    async def _fresh(self, node: Node) -> bytes:
        passed = 0
        while True:
            frame = node.take()
            if frame is None:
                await _readable(node.fd)
            elif frame.data and (passed := passed + 1) > self._view.warm_up:
                return frame.data[: frame.data.rfind(_END) + len(_END)]  # some cameras fill up behind the end

    def _opened(self) -> Node:
        if self._node is None:
            raise OSError(errno.ENODEV, "the node is not open")
        return self._node


def _undo(node: Node, started: asyncio.Future[None]) -> None:
    if not started.cancelled() and started.exception() is None:
        with suppress(OSError):  # nobody waits any more: a camera that is gone shows at the next question
            node.stop()


async def _readable(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


def open_transport(profile: PeripheralProfile, address: str) -> V4l2Transport:
    """The node at the path ``address``, not open yet."""
    known = {name: value for name, value in profile.options.items() if name in View.model_fields}
    try:
        return V4l2Transport(address, View.model_validate(known))
    except ValidationError as error:
        raise ProfileError(f"{profile.id}.toml: options: {error}") from error
