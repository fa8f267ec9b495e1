"""The queue's tables."""

import sqlalchemy as sa

from cloud.storage.metadata import Big, Json, metadata

tickets = sa.Table(
    "tickets",
    metadata,
    sa.Column("ticket_id", sa.String(64), primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("service", sa.String(40), nullable=False),
    sa.Column("number", sa.String(8), nullable=False),
    sa.Column("token", sa.String(64), nullable=False, unique=True),
    sa.Column("day", sa.String(10), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("medium", sa.String(8), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False),
    sa.Column("machine", sa.String(63), nullable=False),
    sa.Column("issued_ms", Big, nullable=False),
    sa.Column("called_ms", Big),
    sa.Column("started_ms", Big),
    sa.Column("ended_ms", Big),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("counter", sa.String(40), nullable=False),
    sa.Column("clerk", sa.String(40), nullable=False),
    sa.UniqueConstraint("hall", "day", "number"),
    sa.Index("ix_tickets_line", "hall", "day", "state", "issued_ms", "ticket_id"),
)

counters = sa.Table(
    "counters",
    metadata,
    sa.Column("hall", sa.String(60), primary_key=True),
    sa.Column("counter", sa.String(40), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("machine", sa.String(63), nullable=False, unique=True),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("clerk", sa.String(40), nullable=False),
    sa.Column("services", Json, nullable=False),
    sa.Column("ticket_id", sa.String(64), nullable=False),
    sa.Column("version", Big, nullable=False),
)

ticket_calls = sa.Table(
    "ticket_calls",
    metadata,
    sa.Column("ticket_id", sa.String(64), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("counter", sa.String(40), nullable=False),
    sa.Column("clerk", sa.String(40), nullable=False),
    sa.Column("called_ms", Big, nullable=False),
)

# One grade per ticket, and nothing that leads to the rater.
ratings = sa.Table(
    "ratings",
    metadata,
    sa.Column("ticket_id", sa.String(64), primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("service", sa.String(40), nullable=False),
    sa.Column("counter", sa.String(40), nullable=False),
    sa.Column("grade", sa.Integer, nullable=False),
    sa.Column("rated_ms", Big, nullable=False),
)

# The key makes two leases of one number impossible, whichever process grants them: blocks follow each other.
number_leases = sa.Table(
    "number_leases",
    metadata,
    sa.Column("hall", sa.String(60), primary_key=True),
    sa.Column("day", sa.String(10), primary_key=True),
    sa.Column("service", sa.String(40), primary_key=True),
    sa.Column("first", sa.Integer, primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
    sa.Column("machine", sa.String(63), nullable=False),
    sa.Column("leased_ms", Big, nullable=False),
)

hall_days = sa.Table(
    "hall_days",
    metadata,
    sa.Column("hall", sa.String(60), primary_key=True),
    sa.Column("day", sa.String(10), nullable=False),
)
