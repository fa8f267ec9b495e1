"""The migrations make exactly the tables that the code declares, on both databases."""

import pytest

import cloud.wiring  # noqa: F401 - declares every feature's tables
from cloud.core.errors import SchemaMismatch
from cloud.storage import schema
from cloud.storage.engine import create_engine


def test_migrations_make_the_tables_that_the_code_declares(database_url: str) -> None:
    engine = create_engine(database_url)
    schema.upgrade(engine)
    schema.upgrade(engine)  # a second time changes nothing
    differences = schema.differences(engine)
    engine.dispose()
    assert differences == []


def test_an_old_schema_is_refused_with_what_to_do(database_url: str) -> None:
    engine = create_engine(database_url)
    with pytest.raises(SchemaMismatch, match=r"got none; run `hallfleet cloud migrate`"):
        schema.check(engine)
    schema.upgrade(engine)
    schema.check(engine)
    engine.dispose()
