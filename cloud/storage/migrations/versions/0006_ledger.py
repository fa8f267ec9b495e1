"""Schema 0006: gaps, more of the ledger, and when old rows were last forgotten."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    op.create_table(
        "gaps",
        sa.Column("machine", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("noticed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("machine", "epoch", "first", name=op.f("pk_gaps")),
    )
    op.create_table(
        "retention",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ran_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_retention")),
    )
    op.add_column("ledger", sa.Column("dropped_business", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("ledger", sa.Column("freed", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("streams", sa.Column("told", sa.Boolean(), server_default=sa.false(), nullable=False))
