"""What the machine says of itself: every slot's status under the slot's name, and the agent under ``agent``."""

import asyncio
from typing import Any

from device_profiles.messages.twin import Twin
from edge_agent.storage.values import Values

_VERSION = "reported_version"


class Reported:
    """Values by name. Versions rise with every snapshot that is taken to be published, across restarts."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._version = 0
        self._edits = 0
        self._published_edits = -1
        self._current: dict[str, Any] = {}
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Continue the versions of an earlier run."""
        self._version = int(await self._values.get(_VERSION) or 0)

    @property
    def values(self) -> dict[str, Any]:
        """What would be published now."""
        return dict(self._current)

    def set(self, name: str, value: Any) -> None:
        """Report ``value`` (JSON) under ``name``; nothing happens when it is the same."""
        if self._current.get(name) != value:
            self._current[name] = value
            self._edits += 1
            self._changed.set()

    async def snapshot(self) -> Twin:
        """The values under a new version. The version is durable first: it never goes back."""
        self._changed.clear()
        if self._published_edits != self._edits:
            self._published_edits = self._edits
            self._version += 1
            await self._values.put(_VERSION, self._version)
        return Twin(version=self._version, values=dict(self._current))

    async def wait_for_change(self) -> None:
        """Returns when a value has changed since the last snapshot."""
        await self._changed.wait()
