"""Run by Alembic for every command; the connection comes from ``cloud.storage.schema``."""

from typing import Any, Literal

from alembic import context

from cloud.storage.metadata import Json, metadata


def render_item(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write our JSON type as its dialects have it; everything else as Alembic does."""
    if kind == "type" and item is Json:
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    render_item=render_item,
    transaction_per_migration=False,
)
context.run_migrations()
