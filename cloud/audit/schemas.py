"""HTTP bodies of the record and of erasures."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cloud.audit.model import Entry, Head, Verdict
from cloud.audit.service.retention import Erasure
from cloud.core.clock import from_ms


class EntryView(BaseModel):
    """One entry as it was written down."""

    sequence: int
    at: datetime
    actor: str
    action: str
    hall: str
    machine: str
    slot: str
    subject: str
    detail: dict[str, Any]
    algorithm: str
    previous: str
    hash: str


class EntryPage(BaseModel):
    """Entries, the newest first."""

    items: list[EntryView]
    next: int | None


class HeadView(BaseModel):
    """The end of the chain: who keeps this elsewhere can prove later what there was now."""

    sequence: int
    hash: str


class ProblemView(BaseModel):
    """What is wrong, from the first entry that is bad to the last that may be."""

    kind: str
    sequence: int
    until: int
    what: str


class VerdictView(BaseModel):
    """What a check found. ``anchors``: how many heads kept apart from the database lay in the checked part."""

    intact: bool
    entries: int
    first: int
    last: int
    hash: str
    anchors: int
    problems: list[ProblemView]


class AskErasure(BaseModel):
    """Whose data are to end: the token that stands for the person."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field(pattern=r"^[0-9a-f]{32}$", description="HMAC-SHA-256 of the identity number, 32 hex digits")


class ErasureView(BaseModel):
    """``erasure_id`` is the receipt; ``ended``: how many rows of which class were removed or blinded."""

    erasure_id: str
    at: datetime
    ended: dict[str, int]


def entry_view(entry: Entry) -> EntryView:
    """An entry for people."""
    return EntryView(
        sequence=entry.sequence,
        at=from_ms(entry.at_ms),
        actor=entry.actor,
        action=entry.action,
        hall=entry.hall,
        machine=entry.machine,
        slot=entry.slot,
        subject=entry.subject,
        detail=dict(entry.detail),
        algorithm=entry.algorithm,
        previous=entry.previous,
        hash=entry.hash,
    )


def head_view(head: Head) -> HeadView:
    """A head."""
    return HeadView(sequence=head.sequence, hash=head.hash)


def verdict_view(verdict: Verdict) -> VerdictView:
    """A verdict."""
    problems = [
        ProblemView(kind=str(one.kind), sequence=one.sequence, until=one.until, what=one.what)
        for one in verdict.problems
    ]
    return VerdictView(
        intact=verdict.intact,
        entries=verdict.entries,
        first=verdict.first,
        last=verdict.last,
        hash=verdict.hash,
        anchors=verdict.anchors,
        problems=problems,
    )


def erasure_view(erasure: Erasure) -> ErasureView:
    """An erasure."""
    return ErasureView(erasure_id=erasure.erasure_id, at=from_ms(erasure.at_ms), ended=erasure.ended)
