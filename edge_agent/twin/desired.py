"""What the cloud wants. Kept on the disk: the machine works from it after a restart with the link down."""

import asyncio
import logging

from pydantic import ValidationError

from device_profiles.errors import MessageError
from device_profiles.messages.body import first_problem
from device_profiles.messages.twin import DesiredAgent, Twin
from edge_agent.storage.values import Values

_NAME = "desired"
_log = logging.getLogger(__name__)


class Desired:
    """The last desired state, raw (``twin``) and typed (``agent``)."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._changed = asyncio.Condition()
        self.twin = Twin(version=0)
        self.agent = DesiredAgent()

    async def open(self) -> None:
        """Take up what was kept by an earlier run."""
        if (kept := await self._values.get(_NAME)) is not None:
            self.twin = Twin.model_validate(kept)
            self.agent = _typed(self.twin)

    async def offer(self, twin: Twin) -> bool:
        """Take ``twin`` when its version is higher; True when taken, and durable. Raises MessageError.

        A delta is taken only on top of the version that it was made from.
        """
        if twin.version <= self.twin.version:
            return False
        if twin.base is not None:
            if twin.base != self.twin.version:
                return False  # made for another state of ours; the cloud sees from what we report that we lack it
            merged = {**self.twin.values, **twin.values}
            twin = Twin(version=twin.version, values={name: each for name, each in merged.items() if each is not None})
        agent = _typed(twin)
        await self._values.put(_NAME, twin.model_dump(mode="json"))
        self.twin, self.agent = twin, agent
        _log.info("desired: version %d taken", twin.version)
        async with self._changed:
            self._changed.notify_all()
        return True

    async def wait_beyond(self, version: int) -> None:
        """Returns when a version above ``version`` has been taken."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.twin.version > version)


def _typed(twin: Twin) -> DesiredAgent:
    try:
        return DesiredAgent.model_validate(twin.values, extra="ignore")
    except ValidationError as error:
        raise MessageError(f"desired version {twin.version}: {first_problem(error)}") from error
