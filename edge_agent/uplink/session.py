"""One machine's conversation with its cloud, link after link.

link up -> presence, inventory, reported -> what is new, and behind it everything unacknowledged
        <- desired, command, ack, replay;  a new birth of the cloud: say all of it again
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from device_profiles.errors import MessageError
from device_profiles.messages.command import Ack, CommandBody, Replay
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.presence import CloudPresence, Presence
from device_profiles.messages.topics import CLOUD_PRESENCE, Down, Topic, Up, parse
from device_profiles.messages.twin import Twin
from edge_agent.errors import LinkLost, PublishRefused
from edge_agent.ports import Clock, Incoming, Link, Outbox, Uplink
from edge_agent.timing import Backoff
from edge_agent.twin import Desired, Reported
from edge_agent.uplink.sender import Pace, Sender

REANNOUNCE_S = 2.0  # machines of a hall do not all speak in the same instant
SETTLE_S = 0.3  # changes of the reported state that come together are published together
FAREWELL_S = 1.0
_log = logging.getLogger(__name__)


class Commands(Protocol):
    """Who takes commands; durable when ``accept`` returns."""

    async def accept(self, slot: str, body: CommandBody) -> None: ...


@dataclass(frozen=True, slots=True)
class SessionParts:
    """What is said and who listens."""

    machine: str
    agent_version: str
    since: datetime
    outbox: Outbox
    reported: Reported
    desired: Desired
    commands: Commands
    inventory: Callable[[], Inventory]
    online_changed: Callable[[bool], None]
    clock: Clock
    pace: Pace = field(default_factory=Pace)


class CloudSession:
    """``run`` for ever; ``online`` tells whether a link is up."""

    def __init__(self, uplink: Uplink, parts: SessionParts, backoff: Backoff) -> None:
        self._uplink = uplink
        self._parts = parts
        self._backoff = backoff
        self.online = False  # a link is up and the cloud is behind it
        self.cloud_birth = ""  # of the cloud that was heard last, over any link
        self.refused_messages = 0
        self._moved = asyncio.Event()
        self._online_changed = asyncio.Event()

    @property
    def parts(self) -> SessionParts:
        """What is said and who listens."""
        return self._parts

    def use(self, uplink: Uplink) -> None:
        """From now on another way to the cloud: the present link is left in order."""
        self._uplink = uplink
        self.set_online(False)
        self._moved.set()

    async def wait_online(self) -> None:
        """Returns when the cloud is heard."""
        while not self.online:
            await self._online_changed.wait()

    async def run(self) -> None:
        """Link after link, with back-off between them; another way to the cloud is taken at once."""
        while True:
            self._moved.clear()
            await _first_of(self._one_link(), self._moved.wait())

    async def _one_link(self) -> None:
        try:
            async with self._uplink.connect() as link:
                await self._talk(link)
        except (LinkLost, PublishRefused) as error:
            _log.warning("uplink: %s", error)
        except ExceptionGroup as group:
            _log.warning("uplink: %s", _link_error(group))
        await self._parts.clock.sleep(self._backoff.next_s())

    async def _talk(self, link: Link) -> None:
        conversation = _Conversation(link, self._parts, self)
        try:
            await conversation.announce()
            _log.info("uplink: linked")
            self._backoff.reset()
            await conversation.run()
        finally:
            self.set_online(False)
            await conversation.farewell()

    def set_online(self, online: bool) -> None:
        """The cloud came or went."""
        if online != self.online:
            self.online = online
            self._online_changed.set()
            self._online_changed = asyncio.Event()
            _log.info("uplink: %s", "online" if online else "offline")
            self._parts.online_changed(online)


class _Conversation:
    """What is said over one link."""

    def __init__(self, link: Link, parts: SessionParts, session: CloudSession) -> None:
        self._link = link
        self._parts = parts
        self._session = session
        self._sender = Sender(link, parts.outbox, parts.machine, parts.clock, parts.pace)
        self._reborn = asyncio.Event()

    async def announce(self) -> None:
        """Say who is here and what it is like; then send the outbox from the last acknowledgement on."""
        await self._say(Up.PRESENCE, self._presence("online").to_bytes())
        await self._say(Up.INVENTORY, self._parts.inventory().to_bytes())
        await self._say(Up.REPORTED, (await self._parts.reported.snapshot()).to_bytes())
        await self._sender.rewind()

    async def run(self) -> None:
        """Until the link is lost; its error leaves in an ExceptionGroup."""
        async with asyncio.TaskGroup() as group:
            for send in (self._sender.run, self._sender.catch_up, self._sender.watch):
                group.create_task(send())
            for work in (self._receive, self._report_changes, self._reannounce):
                group.create_task(work())

    async def farewell(self) -> None:
        """Say that the machine leaves on purpose; nothing happens when the link is already lost."""
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._say(Up.PRESENCE, self._presence("offline").to_bytes())
        except (LinkLost, PublishRefused, TimeoutError) as error:
            _log.debug("uplink: no farewell: %s", error)

    async def _receive(self) -> None:
        while True:
            message = await self._link.receive()
            try:
                await self._handle(message)
            except MessageError as error:
                # Confirmed all the same: it would come again and never be better.
                self._session.refused_messages += 1
                _log.warning("uplink: message on %s refused: %s", message.topic[:120], error)
            message.confirm()

    async def _handle(self, message: Incoming) -> None:
        if message.topic == CLOUD_PRESENCE:
            self._hear_cloud(CloudPresence.from_bytes(message.payload))
            return
        topic = parse(message.topic)
        handlers: dict[Up | Down, Callable[[Topic, bytes], Awaitable[None]]] = {
            Down.DESIRED: self._desired,
            Down.COMMAND: self._command,
            Down.ACK: self._ack,
            Down.REPLAY: self._replay,
        }
        if topic.machine != self._parts.machine or topic.verb not in handlers:
            raise MessageError(f"topic: expected down to {self._parts.machine}, got {message.topic[:120]!r}")
        await handlers[topic.verb](topic, message.payload)

    def _hear_cloud(self, presence: CloudPresence) -> None:
        self._session.set_online(presence.state == "online")
        if presence.state == "online" and presence.birth != self._session.cloud_birth:
            # What was sent before may have met nobody: a broker that forgets keeps nothing for a later cloud.
            if self._session.cloud_birth or self._sender.has_sent:
                self._reborn.set()
            self._session.cloud_birth = presence.birth

    async def _desired(self, topic: Topic, payload: bytes) -> None:
        await self._parts.desired.offer(Twin.from_bytes(payload))

    async def _command(self, topic: Topic, payload: bytes) -> None:
        await self._parts.commands.accept(topic.slot, CommandBody.from_bytes(payload))

    async def _ack(self, topic: Topic, payload: bytes) -> None:
        ack = Ack.from_bytes(payload)
        await self._parts.outbox.ack(ack.epoch, ack.sequence)
        self._sender.acknowledged(await self._parts.outbox.acknowledged())

    async def _replay(self, topic: Topic, payload: bytes) -> None:
        replay = Replay.from_bytes(payload)
        if replay.epoch == self._parts.outbox.epoch:
            await self._sender.replay(replay.from_, replay.to)

    async def _report_changes(self) -> None:
        while True:
            await self._parts.reported.wait_for_change()
            await self._parts.clock.sleep(SETTLE_S)
            await self._say(Up.REPORTED, (await self._parts.reported.snapshot()).to_bytes())
            await self._say(Up.INVENTORY, self._parts.inventory().to_bytes())

    async def _reannounce(self) -> None:
        while True:
            await self._reborn.wait()
            self._reborn.clear()
            await self._parts.clock.sleep(REANNOUNCE_S * random.random())
            await self.announce()

    async def _say(self, verb: Up, payload: bytes) -> None:
        await (await self._link.publish(str(Topic(self._parts.machine, verb)), payload, retain=True))

    def _presence(self, state: str) -> Presence:
        return presence_of(self._parts, state)


def presence_of(parts: SessionParts, state: str) -> Presence:
    """This machine's presence; ``offline`` is also its last will."""
    return Presence.model_validate(
        {"state": state, "epoch": parts.outbox.epoch, "agent_version": parts.agent_version, "since": parts.since}
    )


async def _first_of(*works: Coroutine[Any, Any, object]) -> None:
    """Until one of them ends, the others cancelled and waited for; its error leaves from here."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _link_error(group: ExceptionGroup[Exception]) -> Exception:
    """The one reason for the end of a link. Anything else than a lost link is a defect and goes on."""
    links, defects = group.split((LinkLost, PublishRefused))
    if defects is not None or links is None:
        raise group
    found: BaseException = links
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    return found if isinstance(found, Exception) else group
