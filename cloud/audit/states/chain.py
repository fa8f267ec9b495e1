"""The chain: every entry carries the hash of the one before it.

The hash is taken over canonical JSON (sorted keys, no spaces, UTF-8) of the entry without its ``hash``. Each entry
names its algorithm, so another one can begin in the middle of a chain.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256, sha512
from json.encoder import encode_basestring
from types import MappingProxyType
from typing import Any, NamedTuple

from cloud.audit.model import Entry, Head

PRESENT = "sha-256"
ALGORITHMS: Mapping[str, Callable[[bytes], str]] = MappingProxyType(
    {"sha-256": lambda text: sha256(text).hexdigest(), "sha-512/256": lambda text: sha512(text).hexdigest()[:64]}
)
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class Draft(NamedTuple):
    """An entry before it has its place in the chain. ``detail`` is canonical JSON already."""

    at_ms: int
    actor: str
    action: str
    hall: str
    machine: str
    slot: str
    subject: str
    detail: str


def chained(head: Head, draft: Draft) -> dict[str, Any]:
    """The row of the entry behind ``head``.

    Written out by hand, for this runs once for every change of a device: the text is that of ``canonical(shape(...))``.
    """
    at_ms, actor, action, hall, machine, slot, subject, detail = draft
    sequence, quoted = head.sequence + 1, encode_basestring
    text = (
        f'{{"action":{quoted(action)},"actor":{quoted(actor)},"algorithm":"{PRESENT}","at_ms":{at_ms},'
        f'"detail":{detail},"hall":{quoted(hall)},"machine":{quoted(machine)},"previous":"{head.hash}",'
        f'"sequence":{sequence},"slot":{quoted(slot)},"subject":{quoted(subject)}}}'
    )
    return {
        "sequence": sequence,
        "at_ms": at_ms,
        "actor": actor,
        "action": action,
        "hall": hall,
        "machine": machine,
        "slot": slot,
        "subject": subject,
        "detail": detail,
        "algorithm": PRESENT,
        "previous": head.hash,
        "hash": sha256(text.encode()).hexdigest(),
    }


def shape(entry: Entry) -> dict[str, Any]:
    """An entry as it is hashed and exported, without its hash."""
    return {
        "sequence": entry.sequence,
        "at_ms": entry.at_ms,
        "actor": entry.actor,
        "action": entry.action,
        "hall": entry.hall,
        "machine": entry.machine,
        "slot": entry.slot,
        "subject": entry.subject,
        "detail": entry.detail,
        "algorithm": entry.algorithm,
        "previous": entry.previous,
    }


def canonical(value: Mapping[str, Any]) -> str:
    """Sorted keys, no spaces: equal values give equal text."""
    return _encode(value)


def digest(entry: Entry) -> str | None:
    """The hash that this entry must have; None when its algorithm is not known."""
    algorithm = ALGORITHMS.get(entry.algorithm)
    return None if algorithm is None else algorithm(canonical(shape(entry)).encode())


def link(entry: Entry) -> Entry:
    """The entry with its hash. Its ``algorithm`` must be one of ALGORITHMS."""
    return replace(entry, hash=ALGORITHMS[entry.algorithm](canonical(shape(entry)).encode()))
