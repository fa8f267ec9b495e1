"""A damaged database of the cloud: a clear refusal, and a restore that keeps it as evidence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def hallfleet(*words: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hallfleet", "cloud", *map(str, words)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=50)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    file = tmp_path / "cloud.toml"
    file.write_text(f'data_dir = "{tmp_path}/data"\nbroker = "mqtt://127.0.0.1:1"\n')
    done = hallfleet("migrate", "--config", file)
    assert done.returncode == 0, done.stderr
    return file


@pytest.mark.slow
@pytest.mark.parametrize("where", [0, 4096 * 20])
def test_a_damaged_file_is_refused_and_a_restore_sets_it_aside(settings: Path, tmp_path: Path, where: int) -> None:
    file, backup = tmp_path / "data" / "hallfleet.db", tmp_path / "backup.db"
    assert hallfleet("backup", "--config", settings, backup).returncode == 0
    with file.open("r+b") as damaged:
        damaged.seek(where)
        damaged.write(os.urandom(4096))
    refused = hallfleet("serve", "--config", settings)
    assert refused.returncode == 1
    assert "it is damaged" in refused.stderr
    assert "hallfleet cloud restore" in refused.stderr
    assert "Traceback" not in refused.stderr
    restored = hallfleet("restore", "--config", settings, backup)
    assert restored.returncode == 0, restored.stderr
    assert "set aside" in restored.stdout
    assert len(list(file.parent.glob("hallfleet.db.bad-*"))) == 1
    assert hallfleet("migrate", "--config", settings).returncode == 0
