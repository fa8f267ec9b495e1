"""Rows of the outbox as messages: one fact, or a batch of neighbours that go under the same verb."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from device_profiles.messages.envelope import envelope, split_batches, write_batch
from device_profiles.messages.topics import AGENT_SLOT, Topic, Up
from edge_agent.ports import Lane, Row

RESULTS = frozenset({"command.finished", "command.reconciled"})


@dataclass(frozen=True, slots=True)
class Packet:
    """A message and the highest sequence in it."""

    topic: str
    payload: bytes
    last: int


def pack(rows: Sequence[Row], machine: str, epoch: int, late_up_to: int) -> list[Packet]:
    """``rows`` as messages, in order. Up to sequence ``late_up_to`` they are marked as historical."""
    packets: list[Packet] = []
    for verb, group in groupby(rows, key=_verb):
        neighbours = list(group)
        encoded = [_encode(row, machine, epoch, late_up_to) for row in neighbours]
        position = 0
        for batch in split_batches(encoded):
            members = neighbours[position : position + len(batch)]
            position += len(batch)
            packets.append(_packet(machine, verb, members, batch))
    return packets


def _packet(machine: str, verb: Up, rows: Sequence[Row], encoded: list[bytes]) -> Packet:
    if len(rows) == 1:
        slot = AGENT_SLOT if verb is Up.TELEMETRY else rows[0].slot
        return Packet(str(Topic(machine, verb, slot)), encoded[0], rows[0].sequence)
    return Packet(str(Topic(machine, verb)), write_batch(encoded), rows[-1].sequence)


def _verb(row: Row) -> Up:
    if row.lane is Lane.TELEMETRY:
        return Up.TELEMETRY
    return Up.RESULT if row.type in RESULTS else Up.EVENT


def _encode(row: Row, machine: str, epoch: int, late_up_to: int) -> bytes:
    fact = envelope(machine, row.slot, row.type, row.data, at=row.at, epoch=epoch, sequence=row.sequence)
    return (fact.as_historical() if row.sequence <= late_up_to else fact).to_bytes()
