"""A broker and a cloud in memory, for tests: what was published is kept, and the test answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from edge_agent.errors import LinkLost
from edge_agent.ports import Incoming


@dataclass(frozen=True, slots=True)
class Published:
    """One message that the machine sent."""

    topic: str
    payload: bytes
    retain: bool


class MemoryLink:
    """See ``ports.Link``."""

    def __init__(self, uplink: "MemoryUplink") -> None:
        self._uplink = uplink
        self._lost = asyncio.Event()
        self._inbox: asyncio.Queue[Incoming] = asyncio.Queue()

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> "asyncio.Future[None]":
        self._check()
        self._uplink.published.append(Published(topic, payload, retain))
        async with self._uplink.changed:
            self._uplink.changed.notify_all()
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    async def receive(self) -> Incoming:
        message = asyncio.ensure_future(self._inbox.get())
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({message, lost}, return_when=asyncio.FIRST_COMPLETED)
            self._check()
            return message.result()
        finally:
            message.cancel()
            lost.cancel()

    def deliver(self, message: Incoming) -> None:
        """A message from the cloud arrives."""
        self._inbox.put_nowait(message)

    def cut(self) -> None:
        """The cable is pulled."""
        self._lost.set()

    def _check(self) -> None:
        if self._lost.is_set():
            raise LinkLost("memory: the link was cut")


@dataclass
class MemoryUplink:
    """See ``ports.Uplink``. ``reachable = False`` refuses new links; ``deliver`` plays the cloud."""

    reachable: bool = True
    published: list[Published] = field(default_factory=list)
    confirmed: list[bytes] = field(default_factory=list)
    link: MemoryLink | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[MemoryLink]:
        """A link, when there is a way."""
        if not self.reachable:
            raise LinkLost("memory: no way to the broker")
        self.link = MemoryLink(self)
        try:
            yield self.link
        finally:
            self.link = None

    def deliver(self, topic: str, payload: bytes) -> None:
        """A message from the cloud arrives on the link that is up."""
        if self.link is None:
            raise LinkLost("memory: no link is up")
        self.link.deliver(Incoming(topic, payload, lambda: self.confirmed.append(payload)))

    def cut(self) -> None:
        """The link that is up goes down."""
        if self.link is not None:
            self.link.cut()
