"""The table of proposals and every statement on it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from cloud.core.errors import Conflict, NotFound
from cloud.dispatch.model import Proposal, ProposalState
from cloud.storage.metadata import Big, Json, metadata

_OPEN = sa.text("state = 'open'")

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("proposal_id", sa.String(64), primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("counter", sa.String(40), nullable=False),
    sa.Column("clerk", sa.String(40), nullable=False),
    sa.Column("to_service", sa.String(40), nullable=False),
    sa.Column("reason_zh", sa.Text, nullable=False),
    sa.Column("reason_en", sa.Text, nullable=False),
    sa.Column("figures", Json, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("made_ms", Big, nullable=False),
    sa.Column("expires_ms", Big, nullable=False),
    sa.Column("settled_ms", Big),
    sa.Column("outcome", Json, nullable=False),
    # One open proposal per service, whichever process looks.
    sa.Index("uq_proposals_open", "hall", "to_service", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    sa.Index("ix_proposals_newest", "hall", "made_ms"),
)


def add(conn: sa.Connection, proposal: Proposal) -> None:
    """Store a new proposal."""
    conn.execute(proposals.insert().values(**asdict(proposal)))


def get(conn: sa.Connection, proposal_id: str) -> Proposal:
    """The proposal with this id. Raises NotFound."""
    row = conn.execute(proposals.select().where(proposals.c.proposal_id == proposal_id)).mappings().first()
    if row is None:
        raise NotFound(f"proposal {proposal_id[:64]!r}: there is none with this id")
    return _proposal(row)


def newest(conn: sa.Connection, hall: str, limit: int = 50) -> Sequence[Proposal]:
    """The hall's proposals, the newest first."""
    query = proposals.select().where(proposals.c.hall == hall)
    query = query.order_by(proposals.c.made_ms.desc(), proposals.c.proposal_id.desc()).limit(limit)
    return [_proposal(row) for row in conn.execute(query).mappings()]


def still_open(conn: sa.Connection, hall: str) -> Sequence[Proposal]:
    """Proposals that nobody has answered."""
    query = proposals.select().where(proposals.c.hall == hall, _OPEN)
    return [_proposal(row) for row in conn.execute(query.order_by(proposals.c.made_ms)).mappings()]


def asked_since(conn: sa.Connection, hall: str, since_ms: int) -> set[str]:
    """Counters that a proposal was made for, or settled for, since then."""
    lately = sa.or_(proposals.c.made_ms >= since_ms, proposals.c.settled_ms >= since_ms)
    query = sa.select(proposals.c.counter).where(proposals.c.hall == hall, lately)
    return set(conn.execute(query).scalars())


def without_outcome(conn: sa.Connection, hall: str, before_ms: int) -> Sequence[Proposal]:
    """Proposals accepted before then whose effect has not been looked at."""
    query = proposals.select().where(
        proposals.c.hall == hall,
        proposals.c.state == ProposalState.ACCEPTED,
        proposals.c.settled_ms <= before_ms,
        proposals.c.made_ms > before_ms - 24 * 3600 * 1000,
    )
    return [one for one in map(_proposal, conn.execute(query).mappings()) if not one.outcome]


def change(conn: sa.Connection, proposal: Proposal, **changes: Any) -> Proposal:
    """Change a proposal that is still in the state we know. Raises Conflict when somebody was faster."""
    statement = (
        proposals.update()
        .where(proposals.c.proposal_id == proposal.proposal_id, proposals.c.state == proposal.state)
        .values(**changes)
        .returning(proposals)
    )
    row = conn.execute(statement).mappings().first()
    if row is None:
        raise Conflict(f"proposal {proposal.proposal_id}: settled by somebody else meanwhile")
    return _proposal(row)


def _proposal(row: sa.RowMapping) -> Proposal:
    return Proposal(**{**row, "state": ProposalState(row["state"])})
