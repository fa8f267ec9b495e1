"""The story, told by the command that everybody types."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(180)
def test_the_story_holds_from_outside(tmp_path: Path, repo_root: Path) -> None:
    report = tmp_path / "out.json"
    done = subprocess.run(
        [sys.executable, "-m", "hallfleet", "demo", "--check", "--port", "0", "--json", str(report)],
        cwd=repo_root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    told = json.loads(report.read_text())
    failed = [step for step in told["steps"] if not step["ok"]]
    assert not failed, failed
    assert done.returncode == 0
    assert told["ok"]
    assert len(told["steps"]) >= 20
    assert sum(step["took_ms"] for step in told["steps"]) < 120_000
