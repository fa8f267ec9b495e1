"""The tables of cases."""

import sqlalchemy as sa

from cloud.storage.metadata import Big, Json, metadata

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("case_id", sa.String(64), primary_key=True),
    sa.Column("hall", sa.String(60), nullable=False),
    sa.Column("machine", sa.String(63), nullable=False),
    sa.Column("item", sa.String(60), nullable=False),
    sa.Column("resume_code", sa.String(16), nullable=False, index=True),
    sa.Column("step", sa.String(40), nullable=False),
    sa.Column("tries", Json, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("balance", Json, nullable=False),
    sa.Column("failure", sa.String(40), nullable=False),
    sa.Column("end", sa.String(40), nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("version", Big, nullable=False),
    sa.Column("deadline_ms", Big),
    sa.Column("started_ms", Big, nullable=False),
    sa.Column("changed_ms", Big, nullable=False),
    sa.Index("ix_cases_machine", "machine", "end"),
    sa.Index(
        "ix_cases_deadline",
        "deadline_ms",
        sqlite_where=sa.text("deadline_ms IS NOT NULL"),
        postgresql_where=sa.text("deadline_ms IS NOT NULL"),
    ),
)

# Every effect that was asked for, and what became of it: the audit of a case, and what makes a repeated event harmless.
case_effects = sa.Table(
    "case_effects",
    metadata,
    sa.Column("key", sa.String(120), primary_key=True),
    sa.Column("case_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("command_id", sa.String(120), unique=True),
    sa.Column("asked_ms", Big, nullable=False),
    sa.Column("outcome", sa.String(40), nullable=False),
    sa.Column("code", sa.String(60), nullable=False),
    sa.Column("settled_ms", Big),
)

# Personal values, still sealed; erased when they are used up and at the latest when the case ends.
case_secrets = sa.Table(
    "case_secrets",
    metadata,
    sa.Column("case_id", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
)

department_calls = sa.Table(
    "department_calls",
    metadata,
    sa.Column("key", sa.String(120), primary_key=True),
    sa.Column("case_id", sa.String(64), nullable=False),
    sa.Column("operation", sa.String(60), nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("give_up_ms", Big, nullable=False),
    sa.Column("next_ms", Big, nullable=False),
    sa.Index("ix_department_calls_due", "state", "next_ms"),
)
