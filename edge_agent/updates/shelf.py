"""What a slot keeps of its firmware on the disk: the update under way, the image to go back to, what is known of it.

One folder per slot: ``record.json`` and ``known.json`` are replaced in one step; ``coming/`` holds the release under
way, ``kept/`` the one that was confirmed last. Everything is durable when a call returns.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from edge_agent.errors import StorageError
from firmware_bridge.update.ports import Record
from firmware_bridge.update.procedure import Release
from firmware_bridge.update.states import ENDS, UpdateState

Words = ParamSpec("Words")
Result = TypeVar("Result")
PARTS = ("image", "manifest", "approval")


@dataclass(frozen=True, slots=True)
class Known:
    """What the slot's device was like when it last answered, and the highest security counter that ran in it."""

    version: str = ""
    hardware: str = ""
    counter: int = 0


class Shelf:
    """The folder of one slot. Raises StorageError when the disk does not take what must be durable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, record: Record) -> None:
        """Remember where the update is."""
        await self._write("record.json", asdict(record))

    async def unfinished(self) -> Release | None:
        """The release whose update was cut short after it had been admitted; None when there is none."""
        return await self._run(self._unfinished)

    async def known(self) -> Known:
        """What was known last; empty at first, and when the file cannot be read."""
        held = await self._run(self._read, "known.json")
        try:
            return Known(str(held["version"]), str(held["hardware"]), int(held["counter"]))
        except (KeyError, ValueError, TypeError):
            return Known()

    async def remember(self, known: Known) -> None:
        """Replace what is known."""
        await self._write("known.json", asdict(known))

    async def stage(self, release: Release) -> None:
        """Keep the release until its update has ended, so that a killed agent can go on."""
        await self._run(self._put, "coming", release)

    async def keep(self) -> None:
        """The release under way is what to go back to from now on."""
        await self._run(self._promote)

    async def clear(self) -> None:
        """The update has ended."""
        await self._run(self._drop, "coming")

    async def kept(self) -> Release | None:
        """The release that was confirmed last; None when there is none."""
        return await self._run(self._take, "kept")

    # --- on the disk, in a thread -----------------------------------------------------------------------------

    async def _run(self, work: Callable[Words, Result], *args: Words.args, **kwargs: Words.kwargs) -> Result:
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        except OSError as error:
            raise StorageError(f"{self._folder}: expected a disk that keeps firmware: {error.strerror}") from error

    async def _write(self, name: str, values: dict[str, Any]) -> None:
        await self._run(self._replace, name, json.dumps(values).encode())

    def _replace(self, name: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f"{name}.new"
        _durable(fresh, content)
        fresh.replace(self._folder / name)
        _sync(self._folder)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            held = json.loads((self._folder / name).read_bytes())
        except (OSError, ValueError):
            return {}
        return held if isinstance(held, dict) else {}

    def _unfinished(self) -> Release | None:
        state = self._read("record.json").get("state", "")
        if state not in set(UpdateState) - ENDS - {UpdateState.VERIFYING}:
            return None
        return self._take("coming")

    def _put(self, place: str, release: Release) -> None:
        fresh = self._folder / f"{place}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        for part in PARTS:
            if (content := getattr(release, part)) is not None:
                _durable(fresh / part, content)
        _sync(fresh)
        self._drop(place)
        fresh.rename(self._folder / place)
        _sync(self._folder)

    def _take(self, place: str) -> Release | None:
        folder = self._folder / place
        if not (folder / "image").exists():
            return None
        image, *others = ((folder / part).read_bytes() if (folder / part).exists() else None for part in PARTS)
        return Release(image or b"", *others)

    def _promote(self) -> None:
        """A cut between the two steps leaves ``coming``, whose update runs again and ends here once more."""
        if (release := self._take("coming")) is not None:
            self._put("kept", release)

    def _drop(self, place: str) -> None:
        if (folder := self._folder / place).exists():
            shutil.rmtree(folder)
            _sync(self._folder)


def _durable(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
