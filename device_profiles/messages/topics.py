"""Topics: ``hallfleet/v1/{shard}/{machine}/{up|down}/{verb}/{slot}``."""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from device_profiles.errors import MessageError

PREFIX = "hallfleet/v1"
CLOUD_PRESENCE = f"{PREFIX}/cloud/presence"
AGENT_SLOT = "agent"
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SLOT = re.compile(r"[a-z0-9_]{1,40}")


class Up(StrEnum):
    """Verbs that a machine writes."""

    PRESENCE = "presence"
    INVENTORY = "inventory"
    REPORTED = "reported"
    EVENT = "event"
    TELEMETRY = "telemetry"
    RESULT = "result"


class Down(StrEnum):
    """Verbs that a machine reads."""

    DESIRED = "desired"
    COMMAND = "command"
    ACK = "ack"
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic of one machine. Raises MessageError when an id breaks the rules."""

    machine: str
    verb: Up | Down
    slot: str = AGENT_SLOT

    def __post_init__(self) -> None:
        check_machine_id(self.machine)
        if not _SLOT.fullmatch(self.slot):
            raise MessageError(f"topic: slot: expected a-z, 0-9, _ (at most 40), got {self.slot[:60]!r}")

    def __str__(self) -> str:
        way = "up" if isinstance(self.verb, Up) else "down"
        return f"{PREFIX}/{shard_of(self.machine)}/{self.machine}/{way}/{self.verb}/{self.slot}"


def check_machine_id(machine: str) -> str:
    """Return ``machine`` when it is a valid id: a-z, 0-9, inner hyphens, at most 63. Raises MessageError."""
    if not _ID.fullmatch(machine):
        raise MessageError(f"machine id: expected a-z, 0-9 and inner hyphens, at most 63, got {machine[:80]!r}")
    return machine


def shard_of(machine: str) -> str:
    """The first two hex digits of SHA-256 of the machine id."""
    return sha256(machine.encode()).hexdigest()[:2]


def parse(topic: str) -> Topic:
    """Parse a machine's topic. Raises MessageError when the form, the ids or the shard are wrong."""
    parts = topic.split("/")
    if len(parts) != 7 or f"{parts[0]}/{parts[1]}" != PREFIX:
        raise MessageError(f"topic: expected {PREFIX}/shard/machine/up|down/verb/slot, got {topic[:120]!r}")
    _, _, shard, machine, way, verb, slot = parts
    check_machine_id(machine)
    if shard != shard_of(machine):
        raise MessageError(f"topic: shard of {machine} is {shard_of(machine)}, got {shard[:8]!r}")
    return Topic(machine, _verb(way, verb), slot)


def _verb(way: str, verb: str) -> Up | Down:
    ways: dict[str, type[Up] | type[Down]] = {"up": Up, "down": Down}
    known = [f"{name}/{member}" for name, verbs in ways.items() for member in verbs]
    if f"{way}/{verb}" not in known:
        raise MessageError(f"topic: expected one of {', '.join(known)}, got {way[:12]!r}/{verb[:20]!r}")
    return ways[way](verb)


def machine_filter(machine: str) -> str:
    """What a machine subscribes to: everything under its own ``down``."""
    return f"{PREFIX}/{shard_of(machine)}/{machine}/down/#"


def ingest_filter(shard: str = "+") -> str:
    """What an ingest worker subscribes to: one shard's ``up``, or all of them."""
    return f"{PREFIX}/{shard}/+/up/#"
