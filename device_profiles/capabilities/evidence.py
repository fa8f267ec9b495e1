"""What settles a command whose outcome is unknown: declared beside the command, judged without a device.

Evidence is what a device shows before its effect, kept until the outcome is known, against what it shows afterwards.
``judge`` answers DONE or NOT_DONE only where the device leaves no other explanation; everything else stays OPEN, and a
person has to look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Seen = Mapping[str, Any]
"""What a device showed: the fields of its status, or the output of the command that was asked."""


class Verdict(StrEnum):
    """What the evidence says. OPEN: nothing yet, looking again may help. LOST: it cannot say any more."""

    DONE = "done"
    NOT_DONE = "not_done"
    OPEN = "open"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Counter:
    """A status field that counts the effect for the device's whole life. ``only_if``: arguments with which it does.

    The device answers the count after everything that it was sent before: one look is enough.
    """

    status_field: str
    only_if: Mapping[str, Any] = field(default_factory=dict)
    quiet_s: float = 0.0

    def judge(self, before: Seen, after: Seen) -> Verdict:
        """One more: done. The same: not done. More than one: somebody else was there meanwhile."""
        was, now = before.get(self.status_field), after.get(self.status_field)
        if not isinstance(was, int):
            return Verdict.LOST
        if not isinstance(now, int):
            return Verdict.OPEN
        return {0: Verdict.NOT_DONE, 1: Verdict.DONE}.get(now - was, Verdict.LOST)


@dataclass(frozen=True, slots=True)
class Position:
    """A status field that the effect moves ``at`` one value to another. ``quiet_s``: a mechanism begins within that.

    What is not done is believed at the second look, ``quiet_s`` after the first.
    """

    status_field: str
    at: frozenset[str]
    done: frozenset[str]
    not_done: frozenset[str]
    quiet_s: float = 3.0
    only_if: Mapping[str, Any] = field(default_factory=dict)

    def judge(self, before: Seen, after: Seen) -> Verdict:
        """Where it is now, if it was where the command begins."""
        if before.get(self.status_field) not in self.at:
            return Verdict.LOST
        now = after.get(self.status_field)
        if now in self.done:
            return Verdict.DONE
        return Verdict.NOT_DONE if now in self.not_done else Verdict.OPEN


@dataclass(frozen=True, slots=True)
class Record:
    """The device's own record of the last effect, told by the READ command ``asked``; ``name`` tells records apart.

    A new record whose ``same`` fields agree with the arguments is this command's; ``done`` and ``not_done`` are the
    values of ``outcome`` that say what became of it.
    """

    asked: str
    name: str
    same: tuple[str, ...]
    outcome: str
    done: frozenset[str]
    not_done: frozenset[str]
    quiet_s: float = 5.0
    only_if: Mapping[str, Any] = field(default_factory=dict)

    def judge(self, before: Seen, after: Seen) -> Verdict:
        """``before`` holds the arguments that ``same`` names as well."""
        if before.get(self.name) is None:
            return Verdict.LOST
        if after.get(self.outcome) is None:
            return Verdict.OPEN
        if after.get(self.name) == before[self.name]:
            return Verdict.NOT_DONE
        if any(after.get(each) != before.get(f"args.{each}") for each in self.same):
            return Verdict.LOST
        told = after[self.outcome]
        return Verdict.DONE if told in self.done else Verdict.NOT_DONE if told in self.not_done else Verdict.LOST


Evidence = Counter | Position | Record


def applies(evidence: Evidence | None, args: Mapping[str, Any]) -> bool:
    """Whether this evidence can speak about a command with these arguments."""
    return evidence is not None and all(args.get(name) == value for name, value in evidence.only_if.items())


def remembered(evidence: Evidence, seen: Seen, args: Mapping[str, Any]) -> dict[str, Any]:
    """What has to be kept of ``seen`` and ``args`` to judge later: nothing personal, nothing more than that."""
    if isinstance(evidence, Record):
        return {evidence.name: seen.get(evidence.name)} | {f"args.{name}": args.get(name) for name in evidence.same}
    return {evidence.status_field: seen.get(evidence.status_field)}


def witness(evidence: Evidence | None) -> str:
    """What is looked at, in one word."""
    if evidence is None:
        return ""
    return evidence.asked if isinstance(evidence, Record) else evidence.status_field
