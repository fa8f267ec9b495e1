"""A folder of pictures in the place of a camera: ``*.jpg`` and ``*.jpeg`` in the order of their names, then again.

For tests, demos and training. Beside ``anna.jpg`` may stand ``anna.verdict`` with one line ``live 0.97``, ``spoof 0.1``
or ``unknown``: what a liveness check would have said.
"""

import asyncio
import errno
import re
from pathlib import Path

from device_profiles.schema.peripheral import PeripheralProfile
from firmware_bridge.codecs.camera import LONGEST_PICTURE
from firmware_bridge.transports._pictures import NoPicture, PictureTransport

_VERDICT = re.compile(r"unknown|(?:live|spoof) (?:0(?:\.\d+)?|1(?:\.0+)?)")


class FolderTransport(PictureTransport):
    """The pictures of one folder. Files may come and go: it is looked through for each picture."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._folder = Path(path)
        self._last: Path | None = None

    async def _open_source(self) -> None:
        await asyncio.to_thread(self._pictures)

    async def _describe(self) -> str:
        count = len(await asyncio.to_thread(self._pictures))
        if not count:
            raise NoPicture("the folder has no pictures")
        return f"folder of {count} pictures"

    async def _picture(self) -> bytes:
        return await asyncio.to_thread(self._next)

    def _verdict(self) -> str:
        file = None if self._last is None else self._last.with_suffix(".verdict")
        if file is None or not file.is_file():
            return "unknown"
        text = file.read_text("utf-8", "replace").strip()
        return text if _VERDICT.fullmatch(text) else "unknown"

    def _next(self) -> bytes:
        pictures = self._pictures()
        if not pictures:
            raise NoPicture("the folder has no pictures")
        behind = [picture for picture in pictures if self._last is not None and picture.name > self._last.name]
        self._last = (behind or pictures)[0]
        # The name of a file may be a person's: no error repeats it.
        if (size := self._last.stat().st_size) > LONGEST_PICTURE:
            raise NoPicture(f"expected at most {LONGEST_PICTURE} bytes, the next file has {size}")
        return self._last.read_bytes()

    def _pictures(self) -> list[Path]:
        if not self._folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "there is no such folder")
        return sorted(file for file in self._folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg"))


def open_transport(profile: PeripheralProfile, address: str) -> FolderTransport:
    """The folder at the path ``address``, not open yet."""
    return FolderTransport(address)
