"""The story notices: one thing is broken at a time in a copy of the program, and the matching step must fail."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOMS = ("device_profiles", "firmware_bridge", "edge_agent", "cloud", "simulators", "hallfleet.py")


@dataclass(frozen=True)
class Sabotage:
    """``old`` in ``file`` becomes ``new``; the step whose name starts with ``noticed_by`` must fail."""

    file: str
    old: str
    new: str
    noticed_by: str


SABOTAGES = {
    "the printer driver prints a wrong number": Sabotage(
        "firmware_bridge/codecs/escpos_document.py",
        "    lines = wrap(_printable(block.text)",
        '    lines = wrap(_printable(block.text).replace("A001", "A007")',
        "a citizen swipes an ID card",
    ),
    "deduplication is off": Sabotage(
        "cloud/ingest/pipeline.py",
        "        if not stream.add(item.sequence, item.sequence):",
        "        if not stream.add(item.sequence, item.sequence) and False:",
        "a fact is delivered twice",
    ),
    "the outbox is emptied on restart": Sabotage(
        "edge_agent/outbox/sqlite.py",
        "        is_new = await self._file.open(now)\n",
        "        is_new = await self._file.open(now)\n"
        '        await self._file.run(lambda connection: connection.execute("DELETE FROM row").rowcount)\n',
        "the uplink is cut",
    ),
    "a fault never closes": Sabotage(
        "cloud/alerts/service.py",
        "    def _close(self, tx: Tx, fact: Fact, field: str) -> None:\n",
        "    def _close(self, tx: Tx, fact: Fact, field: str) -> None:\n        return\n",
        "paper is loaded",
    ),
}


@pytest.mark.soak
@pytest.mark.parametrize("name", SABOTAGES)
def test_the_story_notices(tmp_path: Path, repo_root: Path, name: str) -> None:
    sabotage = SABOTAGES[name]
    for room in ROOMS:
        source, target = repo_root / room, tmp_path / room
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    broken = tmp_path / sabotage.file
    text = broken.read_text()
    assert text.count(sabotage.old) == 1, "the program has changed: adapt the sabotage"
    broken.write_text(text.replace(sabotage.old, sabotage.new))

    report = tmp_path / "out.json"
    done = subprocess.run(
        [sys.executable, "-m", "hallfleet", "demo", "--check", "--port", "0", "--json", str(report)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    failed = [step["name"] for step in json.loads(report.read_text())["steps"] if not step["ok"]]
    assert done.returncode == 1
    assert any(step.startswith(sabotage.noticed_by) for step in failed), failed
