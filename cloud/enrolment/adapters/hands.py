"""What the cloud does to its broker."""

from cloud.enrolment.adapters.eviction import Eviction
from cloud.enrolment.adapters.revocation_list import Reload


class Hands:
    """``eviction`` None: for a command beside the cloud, which ends connections itself when it notices."""

    def __init__(self, reload: Reload, eviction: Eviction | None = None) -> None:
        self._reload = reload
        self._eviction = eviction

    async def reload(self) -> None:
        """Make it read the revocation list. Raises Unavailable."""
        await self._reload.run()

    async def evict(self, machine: str) -> None:
        """End whatever connection ``machine`` has. Raises Unavailable."""
        if self._eviction is not None:
            await self._eviction.evict(machine)
