"""The first stages of ingest, without a store: a message becomes items that are allowed, or refused with a reason."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from device_profiles.capabilities import CAPABILITIES
from device_profiles.errors import MessageError
from device_profiles.messages.body import Body, read_data
from device_profiles.messages.envelope import MAX_SEQUENCE, Envelope, read_envelopes
from device_profiles.messages.facts import Samples
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.presence import Presence
from device_profiles.messages.topics import AGENT_SLOT, Topic, Up, parse
from device_profiles.messages.twin import Twin

# The bodies that stand alone, and the fact that the cloud makes of each.
ANNOUNCEMENTS: Mapping[Up, tuple[str, type[Body]]] = {
    Up.PRESENCE: ("machine.announced", Presence),
    Up.INVENTORY: ("machine.inventoried", Inventory),
    Up.REPORTED: ("machine.reported", Twin),
}
SAMPLED = "agent.sampled"
RESULTS = frozenset({"command.finished", "command.reconciled"})
# What a machine may say of itself, beside its capabilities and ``agent.*``. Whole types: a machine issues tickets, but
# only the cloud calls them.
_OWN = frozenset({"ticket.issued", "session.started"})
_ID = re.compile(r"([a-z0-9-]{1,63})/([1-9][0-9]{0,18})/([1-9][0-9]{0,18})")


class KnownMachine(Protocol):
    """What ingest needs to know of a machine."""

    @property
    def hall(self) -> str:
        """The hall that it stands in."""
        ...

    @property
    def capabilities(self) -> Mapping[str, str]:
        """Name of the capability of each slot, ``screen`` included where there is one."""
        ...


class Directory(Protocol):
    """The machines of this cloud."""

    def find(self, machine: str) -> KnownMachine | None:
        """The machine with this id, None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Refused:
    """Something for the quarantine that carries no sequence."""

    topic: str
    payload: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Announced:
    """A presence, an inventory or a reported twin: the newest one counts, none is kept."""

    topic: str
    payload: bytes
    machine: str
    hall: str
    fact_type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Arrived:
    """One numbered fact of a known machine. With a ``refusal`` it is only noted as arrived and put aside."""

    topic: str
    payload: bytes
    machine: str
    hall: str
    epoch: int
    sequence: int
    envelope: Envelope | None = None
    refusal: str | None = None
    kept: bool = True


Item = Refused | Announced | Arrived


def read_message(topic: str, payload: bytes, directory: Directory) -> list[Item]:
    """Parse and authorise one MQTT message. Never raises: what is wrong comes back as refused, with the reason."""
    try:
        place = _place(topic)
        if not isinstance(place.verb, Up):
            raise MessageError(f"topic: expected a machine's up topic, got {place.verb}")
        known = directory.find(place.machine)
        if known is None:
            raise MessageError(f"machine {place.machine!r}: not one of the halls of this cloud")
        if place.slot != AGENT_SLOT and place.slot not in known.capabilities:
            raise MessageError(f"topic: the machine has no slot {place.slot!r}")
        if place.verb in ANNOUNCEMENTS:
            return [_announced(topic, payload, place, known)]
    except MessageError as error:
        return [Refused(topic, payload, str(error))]
    return _read_facts(topic, payload, place, known)


@lru_cache(maxsize=8192)
def _place(topic: str) -> Topic:
    """``parse``, remembered: a fleet says the same few topics all day."""
    return parse(topic)


def _announced(topic: str, payload: bytes, place: Topic, known: KnownMachine) -> Item:
    fact_type, shape = ANNOUNCEMENTS[Up(place.verb)]
    if place.slot != AGENT_SLOT:
        raise MessageError(f"topic: {place.verb} belongs to slot {AGENT_SLOT!r}, got {place.slot!r}")
    data = shape.from_bytes(payload).model_dump(mode="json")
    return Announced(topic, payload, place.machine, known.hall, fact_type, data)


def _read_facts(topic: str, payload: bytes, place: Topic, known: KnownMachine) -> list[Item]:
    try:
        envelopes = read_envelopes(payload)
    except MessageError as error:
        return list(_salvage(topic, payload, place, known, str(error)))
    return [_arrived(topic, payload, place, known, envelope) for envelope in envelopes]


def _arrived(topic: str, payload: bytes, place: Topic, known: KnownMachine, envelope: Envelope) -> Item:
    if envelope.machine != place.machine:
        return Refused(topic, payload, f"source: expected machine {place.machine}, got {envelope.machine}")
    return Arrived(
        topic,
        payload,
        place.machine,
        known.hall,
        envelope.epoch,
        envelope.number,
        envelope,
        _refusal(place, known, envelope),
        kept=place.verb is not Up.TELEMETRY,
    )


def _refusal(place: Topic, known: KnownMachine, envelope: Envelope) -> str | None:
    """Why this machine may not say this, None when it may."""
    slot, subject = envelope.slot, envelope.type.split(".", 1)[0]
    capability = known.capabilities.get(slot)
    if capability is None and slot != AGENT_SLOT:
        return f"source: the machine has no slot {slot!r}"
    if (envelope.type == SAMPLED) != (place.verb is Up.TELEMETRY):
        return f"type: {envelope.type} does not belong to {place.verb}"
    if envelope.type == SAMPLED and (problem := _unlike(Samples, envelope)):
        return problem
    if (envelope.type in RESULTS) != (place.verb is Up.RESULT):
        return f"type: {envelope.type} does not belong to {place.verb}"
    if envelope.type in RESULTS or subject == capability:
        return None
    if (subject == AGENT_SLOT or envelope.type in _OWN) and slot not in known.capabilities.keys() - {"screen"}:
        return None
    known_subject = "another slot's" if subject in CAPABILITIES else "not a machine's"
    return f"type: {envelope.type} on slot {slot!r} is {known_subject}"


def _unlike(shape: type[Body], envelope: Envelope) -> str | None:
    """What is wrong with data that no reaction reads inside the transaction: later nobody could put it aside."""
    try:
        read_data(shape, envelope.data)
    except MessageError as error:
        return str(error)
    return None


def _salvage(topic: str, payload: bytes, place: Topic, known: KnownMachine, problem: str) -> Iterator[Item]:
    """Find the numbers in a message that did not parse, so that the machine need not send it for ever."""
    alone = not payload.lstrip().startswith(b"[")
    numbered = nameless = False
    for item in _items(payload):
        found = _ID.fullmatch(str(item.get("id"))) if isinstance(item, dict) else None
        if found is None or found[1] != place.machine or max(int(found[2]), int(found[3])) > MAX_SEQUENCE:
            nameless = True
            continue
        numbered = True
        yield _salvaged(topic, payload if alone else json.dumps(item).encode(), place, known, found)
    if nameless or not numbered:
        # Once for all of them: a batch of thirty thousand nothings must not fill the quarantine.
        yield Refused(topic, payload, problem)


def _salvaged(topic: str, payload: bytes, place: Topic, known: KnownMachine, found: re.Match[str]) -> Item:
    try:
        return _arrived(topic, payload, place, known, Envelope.from_bytes(payload))
    except MessageError as error:
        epoch, sequence = int(found[2]), int(found[3])
        return Arrived(topic, payload, place.machine, known.hall, epoch, sequence, refusal=str(error))


def _items(payload: bytes) -> list[Any]:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return []
    return content if isinstance(content, list) else [content]
