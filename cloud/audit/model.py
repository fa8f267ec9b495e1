"""Entries of the record, what proves them, and what a check found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

GENESIS = "0" * 64
"""What the first entry names as the hash before it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened. ``at_ms``: when it was written down. ``detail`` is flat and holds nothing personal."""

    sequence: int
    at_ms: int
    actor: str
    action: str
    hall: str
    machine: str
    slot: str
    subject: str
    detail: Mapping[str, Any]
    algorithm: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: the newest sequence and its hash. Sequence 0: nothing was written yet."""

    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head as it stood at a moment, kept away from the database."""

    at_ms: int
    sequence: int
    hash: str


class Kind(StrEnum):
    """What is wrong with a place of the chain."""

    CHANGED = "changed"  # the entry does not have the hash that is written in it
    UNLINKED = "unlinked"  # the next entry remembers another hash of this one
    MISSING = "missing"  # entries are gone from the middle or the beginning
    TRUNCATED = "truncated"  # entries are gone from the end
    APPENDED = "appended"  # entries behind the head, which the cloud did not write
    REWRITTEN = "rewritten"  # consistent in itself, and not what an anchor saw


@dataclass(frozen=True, slots=True)
class Problem:
    """``sequence``: the first entry that is bad. ``until``: the last that may be."""

    kind: Kind
    sequence: int
    until: int
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found; ``problems`` by place. ``anchors``: how many of them lay in the checked part."""

    entries: int
    first: int
    last: int
    hash: str
    anchors: int
    problems: tuple[Problem, ...] = field(default=())

    @property
    def intact(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    @property
    def first_bad(self) -> int | None:
        """The first sequence that something is wrong with."""
        return min((problem.sequence for problem in self.problems), default=None)
