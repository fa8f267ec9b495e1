"""What tests of the cloud may ask for: both databases and both brokers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require
from tests.servers import mosquitto as mosquitto_server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once for each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/cloud.db"
    else:
        yield request.getfixturevalue("postgres_url")


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def broker_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A broker of this test's own, once of each kind."""
    if request.param == "embedded":
        yield request.getfixturevalue("embedded_broker").url
    else:
        require("mosquitto")
        with mosquitto_server.serve() as broker:
            yield broker.url
