"""The tables of the record."""

import sqlalchemy as sa

from cloud.storage.metadata import Big, Counting, metadata

# No index but the key: every change of a device writes a row here. ``at_ms`` grows with the sequence, nearly.
# ``detail`` is text, not JSON: what was hashed must come back letter by letter.
ENTRIES = sa.Table(
    "audit_entries",
    metadata,
    sa.Column("sequence", Counting, primary_key=True, autoincrement=False),
    sa.Column("at_ms", Big, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("hall", sa.Text, nullable=False),
    sa.Column("machine", sa.Text, nullable=False),
    sa.Column("slot", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("algorithm", sa.Text, nullable=False),
    sa.Column("previous", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
# One row: two processes that write meet here, and the later one tries again behind the other.
HEAD = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("sequence", Big, nullable=False),
    sa.Column("hash", sa.Text, nullable=False),
)
