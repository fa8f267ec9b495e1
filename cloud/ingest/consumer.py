"""The consumer: gathers messages while the last commit runs, commits them, then acknowledges."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial

from cloud.core.clock import Clock
from cloud.core.metrics import Metrics
from cloud.ingest.link import Link, Outgoing
from cloud.ingest.pipeline import NOWHERE, Report, ingest
from cloud.ingest.reading import Directory, Item, read_message
from cloud.storage.unit_of_work import Database
from device_profiles.messages.command import Ack, Replay
from device_profiles.messages.topics import Down, Topic

log = logging.getLogger(__name__)

MAX_ITEMS = 1000
RETRY_S = (0.1, 5.0)
REPLAY_S = (5.0, 300.0)
MESSAGES = "hallfleet_ingest_messages_total"
EVENTS = "hallfleet_ingest_events_total"
DUPLICATES = "hallfleet_ingest_duplicates_total"
QUARANTINED = "hallfleet_ingest_quarantined_total"
FAILED_COMMITS = "hallfleet_ingest_failed_commits_total"


@dataclass(slots=True)
class _Batch:
    committed: asyncio.Future[None]
    messages: int = 0
    items: list[Item] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asked:
    first: int
    last: int
    times: int
    again_at: float  # of the loop's clock: the time of day may jump


class Consumer:
    """``receive`` takes one message and returns after its commit; ``run`` does the commits."""

    def __init__(
        self,
        db: Database,
        directory: Directory,
        send: Callable[[Outgoing], None],
        clock: Clock,
        metrics: Metrics,
        zones: Mapping[str, tzinfo] = NOWHERE,
    ) -> None:
        self._db = db
        self._directory = directory
        self._send = send
        self._clock = clock
        self._metrics = metrics
        self._zones = zones
        self._batches: deque[_Batch] = deque()
        self._committing: _Batch | None = None
        self._filled = asyncio.Event()
        self._asked: dict[tuple[str, int], _Asked] = {}
        for name, text in (
            (MESSAGES, "MQTT messages taken in and committed"),
            (EVENTS, "Numbered facts accepted"),
            (DUPLICATES, "Numbered facts that had arrived before"),
            (QUARANTINED, "Messages and facts put into quarantine"),
            (FAILED_COMMITS, "Batches that could not be committed and were tried again"),
        ):
            metrics.describe(name, "counter", text)

    async def receive(self, topic: str, payload: bytes) -> None:
        """Take one message in; returns when it is committed, or when the consumer ends without having done so."""
        if not self._batches or len(self._batches[-1].items) >= MAX_ITEMS:
            self._batches.append(_Batch(asyncio.get_running_loop().create_future()))
            self._filled.set()
        batch = self._batches[-1]
        batch.messages += 1
        batch.items.extend(read_message(topic, payload, self._directory))
        await batch.committed

    async def run(self) -> None:
        """Commit batch after batch, until cancelled."""
        while True:
            await self._filled.wait()
            while self._batches:
                self._committing = self._batches.popleft()
                self._answer(await self._commit(self._committing.items))
                self._metrics.count(MESSAGES, self._committing.messages)
                self._committing.committed.set_result(None)
                self._committing = None
            self._filled.clear()

    def release(self) -> None:
        """Let everyone go who still waits. Only for after the connection is closed: nothing is acknowledged then."""
        if self._committing is not None:
            self._batches.appendleft(self._committing)
            self._committing = None
        while self._batches:
            self._batches.popleft().committed.set_result(None)

    async def _commit(self, items: list[Item]) -> Report:
        pause = RETRY_S[0]
        while True:
            try:
                return await self._db.write(partial(ingest, items=items, now=self._clock.now(), zones=self._zones))
            except Exception as error:  # noqa: BLE001 - an outer loop; whatever it is, nothing is acknowledged
                # One of the three outer loops: the store is in trouble, the broker and the machines keep
                # what they have.
                log.error("ingest: %d items not committed, trying again: %s", len(items), error)
                self._metrics.count(FAILED_COMMITS)
            await asyncio.sleep(pause)
            pause = min(RETRY_S[1], pause * 2)

    def _answer(self, report: Report) -> None:
        self._metrics.count(EVENTS, report.accepted)
        self._metrics.count(DUPLICATES, report.duplicates)
        self._metrics.count(QUARANTINED, report.quarantined)
        for (machine, epoch), stream in report.streams.items():
            if stream.contiguous:
                body = Ack(epoch=epoch, sequence=stream.contiguous).to_bytes()
                self._send(Outgoing(str(Topic(machine, Down.ACK)), body, key=f"ack/{machine}/{epoch}"))
            self.ask(machine, epoch, stream.gap())

    def ask(self, machine: str, epoch: int, gap: tuple[int, int] | None) -> None:
        """Ask for what is missing; again only after a pause, which grows while nothing comes.

        A gap that fills from its beginning is on its way: a machine that comes back tells its news first.
        """
        asked = self._asked.get((machine, epoch))
        if gap is None:
            self._asked.pop((machine, epoch), None)
            return
        now, (first, last) = asyncio.get_running_loop().time(), gap
        if asked is not None and asked.first < first and asked.last == last:
            self._asked[(machine, epoch)] = _Asked(first, last, 0, now + REPLAY_S[0])
            return
        times = asked.times if asked is not None and asked.first == first else 0
        if asked is not None and asked.first == first and now < asked.again_at:
            return
        pause = min(REPLAY_S[1], REPLAY_S[0] * 2**times)
        self._asked[(machine, epoch)] = _Asked(first, last, times + 1, now + pause)
        body = Replay.model_validate({"epoch": epoch, "from": first, "to": last}).to_bytes()
        self._send(Outgoing(str(Topic(machine, Down.REPLAY)), body, key=f"replay/{machine}/{epoch}"))


async def run_ingest(link: Link, consumer: Consumer) -> None:
    """Keep the connection and commit what it brings, until cancelled; what is not committed is not acknowledged."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(link.run())
            group.create_task(consumer.run())
    finally:
        consumer.release()
