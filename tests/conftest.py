"""What every test may ask for: real servers, free ports, the repository, and a guard against leaks.

A server that is not installed fails the test that needs it; HALLFLEET_SKIP=postgres,... skips it by name.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.servers import mosquitto, parts, postgres, process, victoria

# Checks that stand in modules of their own: a failed one should show its values too.
pytest.register_assert_rewrite("tests.firmware_bridge.vector_checks")

if TYPE_CHECKING:
    from playwright.async_api import Browser

    from cloud.broker.embedded import EmbeddedBroker


def pytest_configure() -> None:
    try:
        parts.skipped_parts()
    except parts.UnknownPart as error:
        raise pytest.UsageError(str(error)) from None


def require(part: str) -> None:
    """Skip when the part is left out by name; fail when it is missing."""
    if part in parts.skipped_parts():
        pytest.skip(f"{parts.SKIP_VARIABLE} names {part}")
    try:
        parts.find_program(part)
    except parts.MissingPart as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def repo_root() -> Path:
    return Path(__file__).resolve().parent.parent


@pytest.fixture
def free_port() -> int:
    return process.free_port()


@pytest.fixture(scope="session", name="mosquitto")
def _mosquitto() -> Iterator[mosquitto.Broker]:
    """One broker for the whole run: use topics of your own; to end a broker, `with mosquitto.serve()`."""
    require("mosquitto")
    with mosquitto.serve() as broker:
        yield broker


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Cluster]:
    """One cluster for the whole run, without fsync: to end a cluster, `with postgres.serve()`."""
    require("postgres")
    with postgres.serve(fsync=False) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(postgres_server: postgres.Cluster) -> Iterator[str]:
    """A new, empty database for this test."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="session", name="victoria")
def _victoria() -> Iterator[victoria.Store]:
    """One store for the whole run: use tags of your own; to end a store, `with victoria.serve()`."""
    require("victoria")
    with victoria.serve() as store:
        yield store


@pytest.fixture
async def browser() -> AsyncIterator["Browser"]:
    """A browser for this test; Playwright's asynchronous API lives on the test's own loop."""
    require("chromium")
    from tests.servers import chromium  # here, since Playwright takes a second to import

    async with chromium.launch() as launched:
        yield launched


@pytest.fixture
async def _tasks_end_with_the_test() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    if leaked := asyncio.all_tasks() - before - {asyncio.current_task()}:
        lines = "\n".join(f"  {task!r}" for task in leaked)
        pytest.fail(f"the test left {len(leaked)} asyncio task(s) running:\n{lines}", pytrace=False)


@pytest.fixture(autouse=True)
def leak_guard(request: pytest.FixtureRequest) -> None:
    """Fails an asynchronous test that leaves a task running: a leak in a test is a leak in a hall.

    Set up before all other fixtures of the test, so it looks after they have been torn down.
    """
    function = getattr(request, "function", None)
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    if inspect.iscoroutinefunction(inner):
        request.getfixturevalue("_tasks_end_with_the_test")


@pytest.fixture
def embedded_broker(free_port: int) -> Iterator["EmbeddedBroker"]:
    """The broker of demos and development, for this test alone."""
    from cloud.broker.embedded import running

    with running(free_port) as broker:
        yield broker
