"""A command that a document names can be typed: make targets, verbs of hallfleet, programs of the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import hallfleet

DOCUMENTS = (
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *(f"{room}/README.md" for room in ("device_profiles", "edge_agent", "cloud", "simulators", "tests")),
)
MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
VERB = re.compile(r"(?:^|`|bin/)hallfleet ([a-z]+)(?: ([a-z]+(?: \| [a-z]+)*))?", re.MULTILINE)
PATH = re.compile(r"`((?:scripts|tests)/[a-z_./-]+)`")
INVENTED = {"tests/firmware_bridge/test_acme_t58.py"}  # the worked example of CONTRIBUTING
WITH_VERBS_BELOW = ("cloud", "edge", "simulate", "profiles")


def text_of(repo_root: Path) -> str:
    return "\n".join((repo_root / name).read_text() for name in DOCUMENTS)


def targets(repo_root: Path) -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (repo_root / "Makefile").read_text(), re.MULTILINE))


def test_every_make_target_that_a_document_names_exists(repo_root: Path) -> None:
    named = set(MAKE.findall(text_of(repo_root)))
    assert {"demo", "test", "check", "setup", "soak", "docs"} <= named
    assert not named - targets(repo_root)


def test_every_target_of_the_makefile_is_told_by_make_help(repo_root: Path) -> None:
    told = subprocess.run(["make", "help"], cwd=repo_root, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make ([a-z-]+)", told)) == targets(repo_root) - {"setup-run"}


def test_every_verb_of_hallfleet_that_a_document_names_exists(repo_root: Path) -> None:
    named = {match[1] for match in VERB.finditer(text_of(repo_root))}
    assert {"demo", *WITH_VERBS_BELOW} <= named
    assert not named - hallfleet.VERBS.keys()


@pytest.mark.parametrize("verb", WITH_VERBS_BELOW)
def test_every_verb_below_one_that_a_document_names_exists(repo_root: Path, verb: str) -> None:
    found = [match[2] for match in VERB.finditer(text_of(repo_root)) if match[1] == verb and match[2]]
    named = {below for together in found for below in together.split(" | ")}
    assert named
    argv = [sys.executable, "-m", "hallfleet", verb, "--help"]
    told = subprocess.run(argv, cwd=repo_root, capture_output=True, text=True, check=True).stdout
    assert not {below for below in named if not re.search(rf"^ +{below}\b", told, re.MULTILINE)}


def test_every_script_and_test_that_a_document_names_exists(repo_root: Path) -> None:
    named = set(PATH.findall(text_of(repo_root))) - INVENTED
    assert named
    assert not {path for path in named if not (repo_root / path).exists()}


def test_decision_records_are_numbered_without_gaps_and_short(repo_root: Path) -> None:
    records = sorted((repo_root / "docs" / "decisions").glob("*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text()
        assert text.startswith(f"# {int(record.name[:4])}. ")
        assert text.count("\n") <= 25
        assert all(part in text for part in ("**Context.**", "**Decision.**", "**Consequence.**"))
