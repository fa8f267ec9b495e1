"""The one MetaData that every feature's tables are declared on, and the column types that both databases
share.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

# Names for every constraint, so that a migration can find them on both databases.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Write columns as sa.Column("data", Json, nullable=False).
Json = sa.JSON().with_variant(JSONB(), "postgresql")
# Milliseconds since 1970, sequences, money in minor units: 64 bits on both databases.
Big = sa.BigInteger()
# An integer primary key that counts by itself (SQLite counts only a column of type INTEGER).
Counting = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
