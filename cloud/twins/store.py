"""Table of the twins."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from cloud.storage.metadata import Big, Json, metadata
from cloud.storage.upsert import upsert

TWINS = sa.Table(
    "twins",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True),
    sa.Column("desired", Json, nullable=False),
    sa.Column("desired_version", Big, nullable=False),
    sa.Column("reported", Json, nullable=False),
    sa.Column("reported_version", Big, nullable=False),
    sa.Column("reported_epoch", Big, nullable=False),
    sa.Column("changed_ms", Big, nullable=False),
)
EMPTY: Mapping[str, Any] = {
    "desired": {},
    "desired_version": 0,
    "reported": {},
    "reported_version": -1,
    "reported_epoch": 0,
}


def read_twin(connection: sa.Connection, machine: str) -> dict[str, Any]:
    """The twin of a machine; an empty one when nothing is known yet."""
    row = connection.execute(sa.select(TWINS).where(TWINS.c.machine == machine)).mappings().one_or_none()
    return dict(row) if row is not None else {**EMPTY, "machine": machine, "changed_ms": 0}


def save_twin(connection: sa.Connection, twin: Mapping[str, Any]) -> None:
    """Write a twin."""
    upsert(connection, TWINS, [twin], ["machine"])
