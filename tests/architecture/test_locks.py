"""The lock files hold what pyproject.toml asks for: a fresh clone has everything."""

import re
import tomllib
from pathlib import Path


def names(requirements: list[str]) -> set[str]:
    return {_plain(re.split(r"[\[<>=~! ;]", requirement, maxsplit=1)[0]) for requirement in requirements}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(file: Path) -> set[str]:
    return {_plain(name) for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)==", file.read_text())}


def test_what_the_program_needs_is_locked(repo_root: Path) -> None:
    project = tomllib.loads((repo_root / "pyproject.toml").read_text())["project"]
    needed = names([*project["dependencies"], *project["optional-dependencies"]["build"]])
    assert needed <= locked(repo_root / "requirements.lock"), "run make lock"
    developed = needed | names(project["optional-dependencies"]["dev"])
    assert developed <= locked(repo_root / "requirements-dev.lock"), "run make lock"
