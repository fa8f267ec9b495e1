"""``profiles new`` writes files that pass the conformance suite as they are, and never over somebody's work."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from device_profiles.__main__ import main
from device_profiles.errors import ProfileError

COPIED = ("device_profiles", "firmware_bridge", "simulators", "tests", "docs", "pyproject.toml", "hallfleet.py")


@pytest.fixture(name="checkout")
def _checkout(repo_root: Path, tmp_path: Path) -> Path:
    """A copy of what a device is made of."""
    for name in COPIED:
        source = repo_root / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "images"))
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def _passes(checkout: Path, *words: str) -> str:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


def test_a_new_protocol_passes_everything_as_it_is_written(checkout: Path) -> None:
    words = [
        "new",
        "invented-gate",
        "--protocol",
        "invented_gate",
        "--capability",
        "signage",
        "--name",
        "Invented gate sign",
    ]
    assert main([*words, "--root", str(checkout)]) == 0
    written = [str(path.relative_to(checkout)) for path in checkout.rglob("*invented_gate*.py")]
    assert len(written) == 5
    _passes(checkout, "ruff", "format", "--check", "--no-cache", *written)
    _passes(checkout, "ruff", "check", "--no-cache", *written)
    told = _passes(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_capability_contract.py",
                   "tests/firmware_bridge/test_vectors.py", "tests/firmware_bridge/test_invented_gate_driver.py",
                   "-k", "invented")  # fmt: skip
    assert " passed" in told
    assert "failed" not in told


def test_a_new_model_passes_as_it_is_written(checkout: Path) -> None:
    words = ["new", "invented-58", "--like", "epson-compatible-80", "--name", "Invented 58", "--root", str(checkout)]
    assert main(words) == 0
    told = _passes(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/contracts/test_capability_contract.py",
                   "tests/firmware_bridge/test_invented_58.py", "-k", "invented")  # fmt: skip
    assert " passed" in told
    text = (checkout / "device_profiles/peripherals/invented-58.toml").read_text()
    assert 'name = "Invented 58"' in text
    assert "Epson" not in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["Invented 58", "--like", "grow-gm65"], "acme-t58"),
        (["grow-gm65", "--like", "grow-gm65"], "taken"),
        (["invented-58", "--like", "grow-gm66"], "grow-gm65"),
        (["invented-58", "--protocol", "Invented!", "--capability", "printer"], "module's name"),
        (["invented-58", "--protocol", "invented", "--capability", "printr"], "printer"),
        (["invented-58", "--like", "grow-gm65", "--name", 'T58 "small"'], "printable"),
        (["invented-58", "--protocol", "gm65", "--capability", "printer"], "exist"),
    ],
)
def test_what_cannot_be_made_is_refused_with_words(checkout: Path, words: list[str], told: str) -> None:
    before = sorted(checkout.rglob("*"))
    with pytest.raises(ProfileError, match=told):
        main(["new", *words, "--root", str(checkout)])
    assert sorted(checkout.rglob("*")) == before


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="checkout"):
        main(["new", "invented-58", "--like", "grow-gm65", "--root", str(tmp_path)])
