"""The last stages of ingest, in one transaction per batch: deduplicate, append, apply, and what to answer."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, tzinfo
from traceback import format_tb
from typing import Any

from pydantic import ValidationError

from cloud.core.actors import Actor
from cloud.core.clock import to_ms
from cloud.core.errors import HallfleetError, Invalid
from cloud.core.facts import Fact
from cloud.ingest.gaps import save_gaps
from cloud.ingest.quarantine import Put, put_aside
from cloud.ingest.reading import Announced, Arrived, Item, Refused
from cloud.ingest.sequences import Stream
from cloud.ingest.store import StreamKey, add_to_ledger, append_events, load_streams, save_streams
from cloud.storage.tx import Tx
from cloud.storage.writer import is_conflict
from device_profiles.errors import HallRuleError, MessageError
from device_profiles.messages.body import first_problem
from device_profiles.messages.envelope import Envelope
from device_profiles.messages.facts import Dropped, Freed

log = logging.getLogger(__name__)

ANNOUNCED = "machine.announced"
DROPPED = "agent.dropped"
FREED = "agent.freed"
NOWHERE: Mapping[str, tzinfo] = {}
_FORESEEN = (HallfleetError, MessageError, HallRuleError, ValidationError)


@dataclass(slots=True)
class Counts:
    """What one batch added for one machine and epoch."""

    received: int = 0
    dropped: int = 0
    quarantined: int = 0
    dropped_business: int = 0
    freed: int = 0


@dataclass(slots=True)
class Report:
    """What a batch came to. ``streams``: every stream that was touched, as it stands now."""

    streams: dict[StreamKey, Stream] = field(default_factory=dict)
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0


def ingest(tx: Tx, items: Sequence[Item], now: datetime, zones: Mapping[str, tzinfo] = NOWHERE) -> Report:
    """Take a batch in. It can run again from the start; a fact whose reaction raises is put aside alone.

    ``zones``: the time zone of each hall, in which its days begin; UTC where there is none.
    """
    return _Batch(tx, now, zones).take(items)


class _Batch:
    def __init__(self, tx: Tx, now: datetime, zones: Mapping[str, tzinfo]) -> None:
        self._tx = tx
        self._zones = zones
        self._halls: dict[str, str] = {}
        self._with_gaps: set[StreamKey] = set()
        self._now_ms = to_ms(now)
        self._now = now
        self._report = Report()
        self._counts: dict[StreamKey, Counts] = {}
        self._aside: list[Put] = []
        self._actors: dict[str, Actor] = {}

    def take(self, items: Sequence[Item]) -> Report:
        machines = {item.machine for item in items if not isinstance(item, Refused)}
        known = load_streams(self._tx.conn, sorted(machines)) if machines else {}
        self._with_gaps = {key for key, stream in known.items() if stream.ahead}
        fresh = [item for item in items if not isinstance(item, Arrived) or self._is_new(item, known)]
        self._remind(items, known)
        if not self._tx.careful:
            append_events(self._tx.conn, self._rows(fresh))
        for item in fresh:
            self._apply(item)
        self._finish()
        return self._report

    def _is_new(self, item: Arrived, known: dict[StreamKey, Stream]) -> bool:
        key = (item.machine, item.epoch)
        stream = self._report.streams.setdefault(key, known.get(key) or Stream())
        if not stream.add(item.sequence, item.sequence):
            self._report.duplicates += 1
            return False
        self._halls[item.machine] = item.hall
        self._count(key).received += 1
        return True

    def _remind(self, items: Iterable[Item], known: dict[StreamKey, Stream]) -> None:
        """A machine that comes back is told how far we are: the last acknowledgement may have been lost."""
        for item in items:
            if isinstance(item, Announced) and item.fact_type == ANNOUNCED:
                key = (item.machine, int(item.data["epoch"]))
                if key in known:
                    self._report.streams.setdefault(key, known[key])

    def _rows(self, items: Iterable[Item]) -> list[dict[str, Any]]:
        kept = [item for item in items if isinstance(item, Arrived) and item.kept]
        return [self._row(item, item.envelope) for item in kept if item.envelope and not item.refusal]

    def _row(self, item: Arrived, envelope: Envelope) -> dict[str, Any]:
        return {
            "machine": item.machine,
            "epoch": item.epoch,
            "sequence": item.sequence,
            "slot": envelope.slot,
            "type": envelope.type,
            "at_ms": to_ms(envelope.time),
            "received_ms": self._now_ms,
            "historical": envelope.historical,
            "data": envelope.data,
        }

    def _apply(self, item: Item) -> None:
        if isinstance(item, Refused):
            self._put_aside(item, item.reason)
        elif isinstance(item, Arrived) and item.refusal is not None:
            self._put_aside(item, item.refusal)
        elif not self._tx.careful:
            self._tx.actor = self._actor(item.machine)
            self._tx.publish(self._fact(item))
        else:
            self._apply_alone(item)

    def _apply_alone(self, item: Arrived | Announced) -> None:
        """In savepoints: what a reaction raises undoes what this fact did, and the stream goes on."""
        try:
            with self._tx.savepoint():
                append_events(self._tx.conn, self._rows([item]))
            with self._tx.savepoint():
                self._tx.actor = self._actor(item.machine)
                self._tx.publish(self._fact(item))
        except Exception as error:
            if is_conflict(error):
                raise
            log.warning("%s: put aside: %s%s", item.topic, type(error).__name__, _place_of(error))
            self._put_aside(item, reason_of(error))

    def _actor(self, machine: str) -> Actor:
        """What follows from a machine's word is done on its behalf."""
        known = self._actors.get(machine)
        if known is None:
            known = self._actors[machine] = Actor("machine", machine)
        return known

    def _fact(self, item: Arrived | Announced) -> Fact:
        if isinstance(item, Announced):
            return Fact(item.fact_type, self._now, item.data, item.machine, hall=item.hall)
        envelope = item.envelope
        assert envelope is not None  # without one there is a refusal
        if envelope.type in (DROPPED, FREED):
            self._note_never_coming(item, envelope)
        return Fact(
            envelope.type, envelope.time, envelope.data, item.machine, envelope.slot, item.hall,
            item.epoch, item.sequence, envelope.historical,
        )  # fmt: skip

    def _note_never_coming(self, item: Arrived, envelope: Envelope) -> None:
        """Sequences that count as arrived though they never will: given up on purpose, or acknowledged before."""
        shape = Dropped if envelope.type == DROPPED else Freed
        told = shape.model_validate(envelope.data, extra="ignore")
        first, last = told.from_sequence, told.to_sequence
        if not 1 <= first <= last < item.sequence:
            raise Invalid(f"{envelope.type}: expected 1 <= from <= to < {item.sequence}, got {first} to {last}")
        key = (item.machine, item.epoch)
        new, counts = self._report.streams[key].add(first, last), self._count(key)
        if isinstance(told, Freed):
            counts.freed += new
        else:
            counts.dropped += new
            counts.dropped_business += new if told.lane == "business" else 0

    def _put_aside(self, item: Item, reason: str) -> None:
        if isinstance(item, Arrived):
            self._aside.append(Put(item.topic, item.payload, reason, item.machine, item.epoch, item.sequence))
            self._count((item.machine, item.epoch)).quarantined += 1
        else:
            self._aside.append(Put(item.topic, item.payload, reason))

    def _count(self, key: StreamKey) -> Counts:
        return self._counts.setdefault(key, Counts())

    def _finish(self) -> None:
        conn = self._tx.conn
        save_streams(conn, self._report.streams, self._now_ms)
        for key, stream in self._report.streams.items():
            if stream.ahead or key in self._with_gaps:
                save_gaps(conn, key, stream.holes(), self._day(key[0]), self._now_ms)
        add_to_ledger(
            conn,
            [
                {"machine": machine, "epoch": epoch, "day": self._day(machine), **asdict(counts)}
                for (machine, epoch), counts in self._counts.items()
            ],
        )
        put_aside(conn, self._aside, self._now_ms)
        self._report.quarantined = len(self._aside)
        self._report.accepted = sum(counts.received for counts in self._counts.values())

    def _day(self, machine: str) -> str:
        """Today in the hall of this machine."""
        zone = self._zones.get(self._halls.get(machine, ""), UTC)
        return self._now.astimezone(zone).date().isoformat()


def _place_of(error: Exception) -> str:
    """Where an error that nobody foresaw came from, for the log. Never its text, which may hold what a citizen said."""
    if isinstance(error, _FORESEEN):
        return ""
    return " in a reaction:\n" + "".join(format_tb(error.__traceback__))


def reason_of(error: Exception) -> str:
    """Why a fact was put aside, in one line, without the values that it held."""
    if isinstance(error, ValidationError):
        return f"{error.title}: {first_problem(error)}"
    if isinstance(error, _FORESEEN):
        return f"{type(error).__name__}: {error}"
    return f"{type(error).__name__} in a reaction; see the log of that time"
