"""Schema ${up_revision}: ${message}."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables of this version."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Go back to the tables of the version before."""
    ${downgrades if downgrades else "pass"}
