"""What tests of the cloud may ask for: both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once for each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/cloud.db"
    else:
        yield request.getfixturevalue("postgres_url")
