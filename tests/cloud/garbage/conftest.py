"""One served cloud for all tests of a file."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cloud.garbage.serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A cloud in the middle of its day."""
    folder: Path = tmp_path_factory.mktemp("garbage")
    with serving(folder) as running:
        yield running


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    """A client of it; afterwards the cloud must still answer."""
    with served.client() as client:
        yield client
        assert client.get("/healthz").json() == {"status": "ok"}
