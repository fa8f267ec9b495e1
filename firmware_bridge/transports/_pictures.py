"""What the sources of pictures share: they answer the questions of ``codecs.camera`` when somebody reads.

Nothing runs in between: a camera is on only while a picture is waited for. Who stops waiting switches it off.
"""

import asyncio
import os
import re
from collections import deque
from contextlib import suppress

from device_profiles.schema.peripheral import Line
from firmware_bridge.codecs.camera import encode_note, is_picture
from firmware_bridge.errors import TransportLost
from firmware_bridge.transports.serial import SerialTransport

_ASK = re.compile(rb"([?!=])([0-9a-f]{2})\n")


def _is_simulated(path: str) -> bool:
    """A camera is never opened to find out: that alone may switch it on."""
    return os.path.realpath(path).startswith("/dev/pts/")


class NoPicture(Exception):
    """There is none now; the text says why, without a word about who is on it."""


class PictureTransport:
    """A Transport in front of a source of pictures. On a pseudo-terminal a simulated camera answers instead."""

    def __init__(self, path: str) -> None:
        self.turn = asyncio.Lock()
        self._path = path
        self._simulated: SerialTransport | None = None
        self._lost = "not open: call open() first"
        self._questions: deque[tuple[str, int]] = deque()
        self._received = bytearray()
        self._wake = asyncio.Event()

    # --- what a source is asked for -----------------------------------------------------------------------------

    async def _open_source(self) -> None:
        """Take it; raises OSError and then holds nothing."""
        raise NotImplementedError

    async def _describe(self) -> str:
        """Its name; raises NoPicture when it could not give one now, OSError when it is gone."""
        raise NotImplementedError

    async def _picture(self) -> bytes:
        """One JPEG made from now on; raises NoPicture, OSError. May be cancelled."""
        raise NotImplementedError

    def _verdict(self) -> str:
        """What stands beside the last picture: ``live 0.97``, ``spoof 0.1`` or ``unknown``."""
        return "unknown"

    def _close_source(self) -> None:
        """Let go of it; never fails."""

    # --- the Transport ------------------------------------------------------------------------------------------

    async def open(self) -> None:
        await self.close()
        if _is_simulated(self._path):
            self._simulated = SerialTransport(self._path, Line())
            return await self._simulated.open()
        try:
            await self._open_source()
        except OSError as error:
            raise TransportLost(f"{self._path}: expected a source of pictures, got: {error.strerror}") from error
        self._lost = ""

    async def write(self, data: bytes) -> None:
        if self._simulated is not None:
            return await self._simulated.write(data)
        self._check()
        for kind, tag in _ASK.findall(data):
            self._questions.append((kind.decode(), int(tag, 16)))
        self._wake.set()

    async def read(self) -> bytes:
        if self._simulated is not None:
            return await self._simulated.read()
        while not self._received:
            self._check()
            if self._questions:
                await self._answer(*self._questions.popleft())
            else:
                self._wake.clear()
                await self._wake.wait()
        return self._take()

    def discard_input(self) -> int:
        if self._simulated is not None:
            return self._simulated.discard_input()
        self._check()
        self._questions.clear()
        return len(self._take())

    async def close(self) -> None:
        if self._simulated is not None:
            simulated, self._simulated = self._simulated, None
            return await simulated.close()
        if not self._lost:
            self._close_source()
            self._lose("closed")

    # --- inside -------------------------------------------------------------------------------------------------

    async def _answer(self, kind: str, tag: int) -> None:
        try:
            if kind == "?":
                self._received += encode_note("ready", tag, await self._describe())
            elif kind == "=":
                self._received += encode_note("verdict", tag, self._verdict())
            else:
                picture = await self._picture()
                if not is_picture(picture):
                    raise NoPicture("what came is not one whole JPEG")
                self._received += encode_note("picture", tag) + picture
        except NoPicture as reason:
            self._received += encode_note("blind", tag, str(reason))
        except OSError as error:
            with suppress(TransportLost):
                self._check()
                self._close_source()
            self._lose(error.strerror or str(error))
            self._check()

    def _take(self) -> bytes:
        data = bytes(self._received)
        self._received.clear()
        return data

    def _lose(self, reason: str) -> None:
        self._lost = self._lost or reason
        self._questions.clear()
        self._received.clear()
        self._wake.set()

    def _check(self) -> None:
        if self._lost:
            raise TransportLost(f"{self._path}: the pictures are gone ({self._lost}); open again when they are back")
