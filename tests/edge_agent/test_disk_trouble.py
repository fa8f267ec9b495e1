"""A disk that is full or cannot be written: on a small disk of its own, which only root can mount."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.errors import OutboxFull, StorageError
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.ports import Lane
from tests.edge_agent.fakes import START

BIG = {"filling": "x" * 2000}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]).returncode:
        pytest.skip("a disk of its own can only be mounted by root; the chaos suite limits files instead")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path) -> None:
    """Take everything that is left."""
    with (disk / "somebody-elses").open("wb", buffering=0) as file:
        block = bytes(4096)
        try:
            while True:
                file.write(block)
        except OSError:
            assert shutil.disk_usage(disk).free == 0


async def opened(disk: Path) -> SqliteOutbox:
    outbox = SqliteOutbox(disk / "outbox.db", room_mib=4)
    await outbox.open(START)
    return outbox


async def test_on_a_full_disk_facts_are_accepted_given_up_by_class_and_freed(disk: Path) -> None:
    outbox = await opened(disk)
    fill(disk)
    for _ in range(2500):
        await outbox.append("agent", "agent.sampled", BIG, START, Lane.TELEMETRY)
    depth = await outbox.depth()
    assert depth.dropped > 0
    assert await take_all(outbox) > 800
    assert [row.type for row in await outbox.peek(outbox.last_sequence - 1, 1)] == ["ticket.issued"]
    await outbox.ack(outbox.epoch, outbox.last_sequence)
    assert (await outbox.depth()).business == 0
    await outbox.append("agent", "ticket.issued", BIG, START)
    await outbox.close()


async def take_all(outbox: SqliteOutbox) -> int:
    """Business rows until it refuses; how many it took."""
    for taken in range(100_000):
        try:
            await outbox.append("agent", "ticket.issued", BIG, START)
        except OutboxFull:
            return taken
    raise AssertionError("it never refused")


def remount(disk: Path, how: str) -> None:
    """``ro`` or ``rw``."""
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


KILLED = """
import asyncio, os, sys
from pathlib import Path
from tests.edge_agent.fakes import START
from tests.edge_agent.test_disk_trouble import BIG, opened

async def main():
    outbox = await opened(Path(sys.argv[1]))
    await outbox.append("agent", "ticket.issued", BIG, START)
    os.kill(os.getpid(), 9)
asyncio.run(main())
"""


@pytest.mark.parametrize("how", ["stopped", "killed"])
async def test_an_agent_starts_again_on_a_disk_that_became_full(disk: Path, how: str) -> None:
    outbox = await opened(disk)
    await outbox.append("agent", "ticket.issued", BIG, START)
    await outbox.close()
    fill(disk)
    if how == "killed":
        killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, str(disk)])
        assert killed.returncode == -9
    again = await opened(disk)
    before = len(await again.peek(0, 10))
    await again.append("agent", "ticket.issued", BIG, START)
    assert len(await again.peek(0, 10)) == before + 1 == (2 if how == "stopped" else 3)
    await again.close()


async def test_a_read_only_disk_is_refused_at_the_start_and_nothing_is_lost(disk: Path) -> None:
    outbox = await opened(disk)
    await outbox.append("agent", "ticket.issued", {"n": 1}, START)
    epoch = outbox.epoch
    await outbox.close()
    remount(disk, "ro")
    with pytest.raises(StorageError, match="expected a file that can be opened and written"):
        await opened(disk)
    remount(disk, "rw")
    again = await opened(disk)
    assert (again.epoch, [row.data for row in await again.peek(0, 9)]) == (epoch, [{"n": 1}])
    await again.close()


@pytest.mark.slow
def test_an_agent_on_a_read_only_disk_says_so_in_one_line(disk: Path, repo_root: Path) -> None:
    (disk / "data").mkdir()
    settings = disk / "edge.toml"
    settings.write_text(
        f'machine = "kiosk-1"\nprofile = "kiosk"\nbroker = "mqtt://127.0.0.1:1"\ndata_dir = "{disk / "data"}"\n'
        '[ports]\nid_reader = "/dev/null"\nprinter = "/dev/zero"\n'
    )
    remount(disk, "ro")
    argv = [sys.executable, "-m", "edge_agent", "run", "--config", str(settings)]
    done = subprocess.run(argv, cwd=repo_root, capture_output=True, text=True, timeout=50)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "data_dir" in done.stderr
