"""The outbox on the disk: what a crash, a bad file and a full room do to it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.errors import StorageError
from edge_agent.outbox.sqlite import SqliteOutbox, read_depth
from edge_agent.ports import Lane
from tests.edge_agent.fakes import START

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(Lane)),
        st.tuples(st.just("ack"), st.integers(0, 12)),
        st.tuples(st.just("crash"), st.none()),
    ),
    max_size=25,
)


async def opened(folder: Path) -> SqliteOutbox:
    outbox = SqliteOutbox(folder / "outbox.db", room_mib=2)
    await outbox.open(START)
    return outbox


@given(STEPS)
@settings(max_examples=15, deadline=None)
def test_any_run_of_appends_acks_and_crashes_keeps_order_and_loses_nothing(steps: list[tuple[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_follow(Path(folder), steps))


async def _follow(root: Path, steps: list[tuple[str, object]]) -> None:
    """The model: a list of what was accepted, without what was acknowledged."""
    model: list[tuple[int, Lane]] = []
    last, crashes = 0, 0
    folder = root / "0"
    outbox = await opened(folder)
    epoch = outbox.epoch
    for step, value in steps:
        if step == "append":
            assert isinstance(value, Lane)
            last = await outbox.append("agent", "ticket.issued", {"n": last}, START, value)
            model.append((last, value))
        elif step == "ack":
            assert isinstance(value, int)
            await outbox.ack(epoch, value)
            model = [row for row in model if row[0] > value or value > last]
        else:
            # What the disk holds at this moment is what a power cut leaves.
            crashes += 1
            shutil.copytree(folder, root / str(crashes))
            await outbox.close()
            folder = root / str(crashes)
            outbox = await opened(folder)
        assert outbox.epoch == epoch
        assert [(row.sequence, row.lane) for row in await outbox.peek(0, 100)] == model
    assert await outbox.append("agent", "ticket.issued", {}, START) == last + 1
    await outbox.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from edge_agent.outbox.sqlite import SqliteOutbox
from tests.edge_agent.fakes import START

async def main():
    outbox = SqliteOutbox(Path(sys.argv[1]) / "outbox.db", room_mib=2)
    await outbox.open(START)
    async def one(n):
        print(await outbox.append("agent", "ticket.issued", {"n": n}, START), flush=True)
    while True:
        await asyncio.gather(*(one(n) for n in range(8)))
asyncio.run(main())
"""


def test_what_was_accepted_before_a_kill_is_there_after_it(tmp_path: Path, repo_root: Path) -> None:
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], cwd=repo_root, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    accepted = [int(writer.stdout.readline()) for _ in range(100)]
    writer.send_signal(signal.SIGKILL)
    accepted += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
    writer.wait()
    writer.stdout.close()
    kept = asyncio.run(_sequences(tmp_path))
    assert set(accepted) <= kept
    assert kept == set(range(1, max(kept) + 1))


async def _sequences(folder: Path) -> set[int]:
    outbox = await opened(folder)
    try:
        return {row.sequence for row in await outbox.peek(0, 100_000)}
    finally:
        await outbox.close()


async def test_a_bad_file_is_set_aside_and_the_epoch_rises(tmp_path: Path) -> None:
    outbox = await opened(tmp_path)
    before = outbox.epoch
    await outbox.append("agent", "ticket.issued", {}, START)
    await outbox.close()
    path = tmp_path / "outbox.db"
    path.write_bytes(b"\xff" * 4096 + path.read_bytes()[4096:])
    outbox = await opened(tmp_path)
    assert outbox.epoch == before + 1
    assert await outbox.append("agent", "ticket.issued", {}, START) == 1
    await outbox.close()
    assert sum(name.startswith("outbox.db.bad-") for name in os.listdir(tmp_path)) == 1


async def test_a_lost_disk_raises_the_epoch_by_the_time_of_day(tmp_path: Path) -> None:
    first = await opened(tmp_path)
    await first.close()
    shutil.rmtree(tmp_path)
    again = SqliteOutbox(tmp_path / "outbox.db", room_mib=2)
    await again.open(START + timedelta(days=1))
    assert again.epoch > first.epoch
    await again.close()


async def test_a_file_of_a_newer_agent_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    outbox = await opened(tmp_path)
    await outbox.close()
    connection = sqlite3.connect(tmp_path / "outbox.db")
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StorageError, match="expected layout 1, got 99"):
        await opened(tmp_path)


async def test_a_half_made_file_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "outbox.db.new").write_bytes(b"cut off here")
    outbox = await opened(tmp_path)
    assert await outbox.append("agent", "ticket.issued", {}, START) == 1
    await outbox.close()


async def test_the_files_never_grow_after_the_first_start(tmp_path: Path) -> None:
    """Room is taken in advance, so that a full disk stops nothing; not even deleting, which needs room too."""

    def sizes() -> dict[str, int]:
        return {file.name: file.stat().st_size for file in tmp_path.iterdir() if file.name.startswith("outbox.db")}

    outbox = await opened(tmp_path)
    await outbox.append("agent", "ticket.issued", {}, START)
    before = sizes()
    for _ in range(40):
        await asyncio.gather(
            *(outbox.append("agent", "agent.sampled", {"x": "y" * 2000}, START, Lane.TELEMETRY) for _ in range(64))
        )
    await outbox.ack(outbox.epoch, (await outbox.depth()).last_sequence)
    after = sizes()
    await outbox.close()
    assert after["outbox.db"] == before["outbox.db"]
    assert after["outbox.db-wal"] <= 3 << 20


async def test_the_depth_can_be_read_while_the_agent_runs(tmp_path: Path) -> None:
    outbox = await opened(tmp_path)
    await outbox.append("agent", "ticket.issued", {}, START)
    assert read_depth(tmp_path / "outbox.db").business == 1
    await outbox.close()


async def test_one_refused_row_does_not_spoil_its_neighbours(tmp_path: Path) -> None:
    outbox = await opened(tmp_path)
    rows = [outbox.append("agent", "ticket.issued", {"x": "y" * size}, START) for size in (10, 8 << 20, 10)]
    results = await asyncio.gather(*rows, return_exceptions=True)
    await outbox.close()
    assert results[0] == 1
    assert isinstance(results[1], Exception)
    assert results[2] == 2


async def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StorageError, match="expected a file that can be opened"):
        await opened(blocked)


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    async def make() -> None:
        await (await opened(tmp_path)).close()

    asyncio.run(make())
    assert os.stat(tmp_path / "outbox.db").st_mode & 0o077 == 0
