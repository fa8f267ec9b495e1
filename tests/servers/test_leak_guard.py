"""The guard in tests/conftest.py, tried on small test files in a pytest of their own."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

LEAKS = """
import asyncio

async def test_leaks():
    global task
    task = asyncio.create_task(asyncio.Event().wait())
"""

FIXTURE_LEAKS = """
import asyncio, pytest

@pytest.fixture
async def service():
    global task
    task = asyncio.create_task(asyncio.Event().wait())
    yield

async def test_leaks(service):
    pass
"""

CLEANS_UP = """
import asyncio, pytest
from hypothesis import given, strategies

@pytest.fixture
async def service():
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.Event().wait())
        yield task
        task.cancel()

async def test_with_a_task_in_a_fixture(service):
    await asyncio.sleep(0)

@given(strategies.none())
async def test_with_hypothesis(nothing):
    await asyncio.sleep(0)

def test_with_a_loop_of_its_own():
    asyncio.run(asyncio.sleep(0))
"""

WARNS = """
import warnings

def test_warns():
    warnings.warn("old", DeprecationWarning)
"""


FILES = {
    "test_leaks": LEAKS,
    "test_fixture_leaks": FIXTURE_LEAKS,
    "test_cleans_up": CLEANS_UP,
    "test_warns": WARNS,
}


@pytest.fixture(scope="module")
def output(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one pytest prints for all of them; it sees our configuration and our conftest.py."""
    folder = tmp_path_factory.mktemp("inner")
    for name, code in FILES.items():
        (folder / f"{name}.py").write_text(code)
    (folder / "conftest.py").write_text("from tests.conftest import _tasks_end_with_the_test, leak_guard\n")
    command = f"{sys.executable} -m pytest -rA -p no:cacheprovider -c {repo_root}/pyproject.toml {folder}"
    wide = os.environ | {"COLUMNS": "300"}  # else pytest cuts the lines that we look for
    inner = subprocess.run(shlex.split(command), cwd=repo_root, env=wide, stdout=subprocess.PIPE, check=False)
    return inner.stdout.decode()


@pytest.mark.parametrize("name", ["test_leaks", "test_fixture_leaks"])
def test_a_task_left_running_fails_the_test(name: str, output: str) -> None:
    assert f"ERROR {name}.py::test_leaks - Failed: the test left 1 asyncio task(s)" in strip_folders(output)


def test_tasks_that_end_are_fine(output: str) -> None:
    assert strip_folders(output).count("PASSED test_cleans_up.py") == 3
    assert "ERROR test_cleans_up.py" not in strip_folders(output)


def test_a_warning_fails_the_test(output: str) -> None:
    assert "FAILED test_warns.py::test_warns - DeprecationWarning: old" in strip_folders(output)


def strip_folders(output: str) -> str:
    """Test ids without the way to the temporary folder."""
    return re.sub(r"(ERROR|FAILED|PASSED) \S*/", r"\1 ", output)
