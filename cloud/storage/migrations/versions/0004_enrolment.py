"""Schema 0004: enrolment."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    op.create_table(
        "certificates",
        sa.Column("serial", sa.String(length=40), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("not_before_ms", sa.BigInteger(), nullable=False),
        sa.Column("not_after_ms", sa.BigInteger(), nullable=False),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("pem", sa.Text(), nullable=False),
        sa.Column("predecessor", sa.String(length=40), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_certificates")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_certificates_key_hash")),
    )
    op.create_index("ix_certificates_ended", "certificates", ["ended_ms"], unique=False)
    op.create_index("ix_certificates_machine", "certificates", ["machine", "issued_ms"], unique=False)
    op.create_index(op.f("ix_certificates_predecessor"), "certificates", ["predecessor"], unique=False)
    op.create_table(
        "claims",
        sa.Column("claim_id", sa.String(length=64), nullable=False),
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_ms", sa.BigInteger(), nullable=True),
        sa.Column("void_ms", sa.BigInteger(), nullable=True),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_claims")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_claims_code_hash")),
    )
    op.create_index(op.f("ix_claims_machine"), "claims", ["machine"], unique=False)
    op.create_table(
        "identities",
        sa.Column("machine", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("standing", sa.String(length=12), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("machine", name=op.f("pk_identities")),
    )


def downgrade() -> None:
    """Go back to the tables of the version before."""
    op.drop_table("identities")
    op.drop_index(op.f("ix_claims_machine"), table_name="claims")
    op.drop_table("claims")
    op.drop_index(op.f("ix_certificates_predecessor"), table_name="certificates")
    op.drop_index("ix_certificates_machine", table_name="certificates")
    op.drop_index("ix_certificates_ended", table_name="certificates")
    op.drop_table("certificates")
