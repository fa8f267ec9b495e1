"""From facts to the store: a bounded buffer, so that a store that is down never holds up a ticket."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Sequence

from cloud.core.clock import Clock, to_ms
from cloud.core.facts import Fact
from cloud.core.metrics import Metrics
from cloud.telemetry.limits import MEASUREMENT, check
from cloud.telemetry.port import Rejected, Retryable, Sample, TelemetryStore

log = logging.getLogger(__name__)

SAMPLED = "agent.sampled"
MAX_BATCH = 5_000
MAX_WAITING = 200_000  # about 50 MB, and an hour of a large hall
PAUSE_S = (0.2, 5.0)
WRITTEN = "hallfleet_telemetry_written_total"
DROPPED = "hallfleet_telemetry_dropped_total"
CLAMPED = "hallfleet_telemetry_clock_ahead_total"


class Recorder:
    """``heard`` listens after commits and never blocks; ``run`` writes."""

    def __init__(self, store: TelemetryStore, clock: Clock, metrics: Metrics, max_waiting: int = MAX_WAITING) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._waiting: deque[Sample] = deque(maxlen=max_waiting)
        self._recent: deque[tuple[int, Sequence[Sample]]] = deque()
        self._filled = asyncio.Event()
        metrics.describe(WRITTEN, "counter", "Telemetry samples that the store took")
        metrics.describe(DROPPED, "counter", "Telemetry samples given up: not storable, refused, or no room")
        metrics.describe(CLAMPED, "counter", "Telemetry samples whose time was ahead of ours")

    def heard(self, facts: Sequence[Fact]) -> None:
        """After-commit listener."""
        samples = [sample for fact in facts if fact.type == SAMPLED for sample in samples_of(fact)]
        if samples:
            self.add(samples)

    def add(self, samples: Sequence[Sample]) -> None:
        """Queue samples; when there is no room the oldest go, and are counted."""
        checked = check(samples, to_ms(self._clock.now()))
        room = (self._waiting.maxlen or 0) - len(self._waiting)
        lost = max(0, len(checked.good) - room)
        self._waiting.extend(checked.good)
        self._metrics.count(DROPPED, checked.rejected, reason="not_storable")
        self._metrics.count(DROPPED, lost, reason="no_room")
        self._metrics.count(CLAMPED, checked.clamped)
        self._filled.set()

    async def run(self) -> None:
        """Write what waits, until cancelled."""
        pause = PAUSE_S[0]
        while True:
            await self._filled.wait()
            if not self._waiting:
                self._filled.clear()
                continue
            batch = list(self._take())
            try:
                await self._write(batch)
                pause = PAUSE_S[0]
            except Retryable as error:
                log.warning("telemetry: %d samples wait: %s", len(self._waiting), error)
                await asyncio.sleep(pause)
                pause = min(PAUSE_S[1], pause * 2)

    async def _write(self, batch: list[Sample]) -> None:
        written = False
        try:
            await self._store.write(batch)
            written = True
            self._remember(batch)
            self._metrics.count(WRITTEN, len(batch))
        except Rejected as error:
            written = True
            log.error("telemetry: %d samples given up: %s", len(batch), error)
            self._metrics.count(DROPPED, len(batch), reason="rejected")
        finally:
            if not written:
                self._take_back(batch)

    def _take(self) -> Iterator[Sample]:
        for _ in range(min(MAX_BATCH, len(self._waiting))):
            yield self._waiting.popleft()

    def _remember(self, batch: Sequence[Sample]) -> None:
        now_ms = to_ms(self._clock.now())
        keep_ms = self._store.caps().durable_after_s * 1000
        if keep_ms:
            self._recent.append((now_ms, batch))
        while self._recent and self._recent[0][0] < now_ms - keep_ms:
            self._recent.popleft()

    def _take_back(self, batch: Sequence[Sample]) -> None:
        """The store is away: what it may have lost with its end goes again, and first. Twice written counts once."""
        again = [sample for _, part in self._recent for sample in part]
        self._recent.clear()
        for sample in reversed([*again, *batch]):
            if len(self._waiting) == self._waiting.maxlen:
                self._metrics.count(DROPPED, reason="no_room")
            else:
                self._waiting.appendleft(sample)


def samples_of(fact: Fact) -> Iterator[Sample]:
    """The samples in an ``agent.sampled`` fact; parts that are not understood are left out."""
    for entry in fact.data.get("samples", ()):
        if not isinstance(entry, dict) or not isinstance(entry.get("metrics"), dict):
            continue
        tags = (("device", fact.machine), ("hall", fact.hall), ("slot", str(entry.get("slot", ""))))
        for name, value in entry["metrics"].items():
            if isinstance(value, int | float) and isinstance(entry.get("at_ms"), int):
                yield Sample(MEASUREMENT, tags, str(name), entry["at_ms"], float(value))
