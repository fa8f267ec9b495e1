"""Schema 0002: queues, cases, alerts, proposals, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(length=64), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("slot", sa.String(length=40), nullable=False),
        sa.Column("field", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("who", sa.String(length=20), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("opened_by", sa.String(length=140), nullable=False),
        sa.Column("closed_ms", sa.BigInteger(), nullable=True),
        sa.Column("evidence", sa.String(length=140), nullable=False),
        sa.Column("shelved_until_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_newest", "alerts", ["opened_ms", "alert_id"], unique=False)
    op.create_index(
        "uq_alerts_live",
        "alerts",
        ["machine", "slot", "field"],
        unique=True,
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_table(
        "case_effects",
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("command_id", sa.String(length=120), nullable=True),
        sa.Column("asked_ms", sa.BigInteger(), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=60), nullable=False),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_case_effects")),
        sa.UniqueConstraint("command_id", name=op.f("uq_case_effects_command_id")),
    )
    op.create_index(op.f("ix_case_effects_case_id"), "case_effects", ["case_id"], unique=False)
    op.create_table(
        "case_secrets",
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", "name", name=op.f("pk_case_secrets")),
    )
    op.create_table(
        "cases",
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("item", sa.String(length=60), nullable=False),
        sa.Column("resume_code", sa.String(length=16), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("tries", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("data", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("balance", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("failure", sa.String(length=40), nullable=False),
        sa.Column("end", sa.String(length=40), nullable=False),
        sa.Column("cancelled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("deadline_ms", sa.BigInteger(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name=op.f("pk_cases")),
    )
    op.create_index(
        "ix_cases_deadline",
        "cases",
        ["deadline_ms"],
        unique=False,
        sqlite_where=sa.text("deadline_ms IS NOT NULL"),
        postgresql_where=sa.text("deadline_ms IS NOT NULL"),
    )
    op.create_index("ix_cases_machine", "cases", ["machine", "end"], unique=False)
    op.create_index(op.f("ix_cases_resume_code"), "cases", ["resume_code"], unique=False)
    op.create_table(
        "counters",
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("counter", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("clerk", sa.String(length=40), nullable=False),
        sa.Column("services", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hall", "counter", name=op.f("pk_counters")),
        sa.UniqueConstraint("machine", name=op.f("uq_counters_machine")),
    )
    op.create_table(
        "department_calls",
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=60), nullable=False),
        sa.Column("body", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("give_up_ms", sa.BigInteger(), nullable=False),
        sa.Column("next_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_department_calls")),
    )
    op.create_index("ix_department_calls_due", "department_calls", ["state", "next_ms"], unique=False)
    op.create_table(
        "hall_days",
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("hall", name=op.f("pk_hall_days")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_made_ms"), "idempotency_keys", ["made_ms"], unique=False)
    op.create_table(
        "number_leases",
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("leased_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hall", "day", "service", "first", name=op.f("pk_number_leases")),
    )
    op.create_table(
        "offline_machines",
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("fact", sa.String(length=140), nullable=False),
        sa.Column("alerted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("machine", name=op.f("pk_offline_machines")),
    )
    op.create_table(
        "proposals",
        sa.Column("proposal_id", sa.String(length=64), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("counter", sa.String(length=40), nullable=False),
        sa.Column("clerk", sa.String(length=40), nullable=False),
        sa.Column("to_service", sa.String(length=40), nullable=False),
        sa.Column("reason_zh", sa.Text(), nullable=False),
        sa.Column("reason_en", sa.Text(), nullable=False),
        sa.Column("figures", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("settled_ms", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id", name=op.f("pk_proposals")),
    )
    op.create_index("ix_proposals_newest", "proposals", ["hall", "made_ms"], unique=False)
    op.create_index(
        "uq_proposals_open",
        "proposals",
        ["hall", "to_service"],
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "ratings",
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("counter", sa.String(length=40), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=False),
        sa.Column("rated_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_ratings")),
    )
    op.create_table(
        "ticket_calls",
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("counter", sa.String(length=40), nullable=False),
        sa.Column("clerk", sa.String(length=40), nullable=False),
        sa.Column("called_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", "n", name=op.f("pk_ticket_calls")),
    )
    op.create_table(
        "tickets",
        sa.Column("ticket_id", sa.String(length=64), nullable=False),
        sa.Column("hall", sa.String(length=60), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=8), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("medium", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("called_ms", sa.BigInteger(), nullable=True),
        sa.Column("started_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("counter", sa.String(length=40), nullable=False),
        sa.Column("clerk", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("hall", "day", "number", name=op.f("uq_tickets_hall_day_number")),
        sa.UniqueConstraint("token", name=op.f("uq_tickets_token")),
    )
    op.create_index("ix_tickets_line", "tickets", ["hall", "day", "state", "issued_ms", "ticket_id"], unique=False)


def downgrade() -> None:
    """Go back to the tables of the version before."""
    op.drop_index("ix_tickets_line", table_name="tickets")
    op.drop_table("tickets")
    op.drop_table("ticket_calls")
    op.drop_table("ratings")
    op.drop_index(
        "uq_proposals_open",
        table_name="proposals",
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.drop_index("ix_proposals_newest", table_name="proposals")
    op.drop_table("proposals")
    op.drop_table("offline_machines")
    op.drop_table("number_leases")
    op.drop_index(op.f("ix_idempotency_keys_made_ms"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("hall_days")
    op.drop_index("ix_department_calls_due", table_name="department_calls")
    op.drop_table("department_calls")
    op.drop_table("counters")
    op.drop_index(op.f("ix_cases_resume_code"), table_name="cases")
    op.drop_index("ix_cases_machine", table_name="cases")
    op.drop_index(
        "ix_cases_deadline",
        table_name="cases",
        sqlite_where=sa.text("deadline_ms IS NOT NULL"),
        postgresql_where=sa.text("deadline_ms IS NOT NULL"),
    )
    op.drop_table("cases")
    op.drop_table("case_secrets")
    op.drop_index(op.f("ix_case_effects_case_id"), table_name="case_effects")
    op.drop_table("case_effects")
    op.drop_index(
        "uq_alerts_live",
        table_name="alerts",
        sqlite_where=sa.text("state <> 'closed'"),
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.drop_index("ix_alerts_newest", table_name="alerts")
    op.drop_table("alerts")
