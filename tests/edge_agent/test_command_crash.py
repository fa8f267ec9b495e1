"""kill -9 at every stage of a command, in a real process: the outcome is done, not done or unknown, never repeated."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AGENT = """
import asyncio, json, sys
from datetime import timedelta
from pathlib import Path
from device_profiles.capabilities.model import Nothing
from device_profiles.messages.command import CommandBody
from edge_agent.commands.execute import Executor
from edge_agent.commands.journal import Journal
from edge_agent.commands.proof import ProvenSlot
from edge_agent.lease import Lease
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.slots.runner import SlotParts
from edge_agent.storage import Values
from edge_agent.timing import SystemClock
from tests.edge_agent.fakes import FakeDriver, FixedDesired, Listener, machine_file, make_slot

folder, capability, name, args, stop_at, run_for_s = sys.argv[1:7]
folder = Path(folder)
ARGS = json.loads(args)

async def stop(stage):
    if stage == stop_at:
        print(stage, flush=True)
        await asyncio.Event().wait()

class Stopping(Journal):
    async def start(self, command_id, at, doubt=None):
        await stop("before_started")
        await super().start(command_id, at, doubt)
        await stop("after_started")

    async def finish(self, result, at):
        await stop("before_finished")
        await super().finish(result, at)
        await stop("after_finished")

    async def reported(self, command_id):
        await stop("before_reported")
        await super().reported(command_id)
        await stop("after_reported")

async def effect(args):
    with (folder / "effects").open("a") as effects:
        effects.write("x")
    return Nothing()

async def main():
    clock = SystemClock()
    outbox = SqliteOutbox(folder / "outbox.db", room_mib=2)
    await outbox.open(clock.now())
    async with machine_file(folder, clock.now()) as file:
        driver = FakeDriver(capability)
        driver.acts[name] = effect
        (folder / "port").touch()
        slot = make_slot(driver, folder / "port", SlotParts(clock, outbox, Listener()), "device")
        journal = Stopping(file)
        proven = ProvenSlot("device", slot, journal, clock)
        executor = Executor(journal, outbox, {"device": proven}, FixedDesired(), clock, Lease(Values(file), clock))
        await executor.recover()
        body = CommandBody(command_id="c1", name=name, args=ARGS, start_by=clock.now() + timedelta(seconds=60),
                           run_for_s=float(run_for_s))
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(slot.run()), group.create_task(executor.run())]
            await executor.accept("device", body)
            await stop("after_received")
            found = []
            while not found or (await Journal(file).unreported()):
                found = [row.data for row in await outbox.peek(0, 100) if row.type == "command.finished"]
                await asyncio.sleep(0.01)
            print(json.dumps(found), flush=True)
            for task in tasks:
                task.cancel()
    await outbox.close()

asyncio.run(main())
"""
STAGES = (
    "after_received",
    "before_started",
    "after_started",
    "before_finished",
    "after_finished",
    "before_reported",
    "after_reported",
)
PRINT = ("printer", "print", {"blocks": [{"kind": "text", "text": "A012"}]})
MOVE = ("card_reader", "move", {"to": "hold"})


def start(root: Path, folder: Path, command: tuple[str, str, Any], stop_at: str, run_for_s: float = 30) -> Any:
    capability, name, args = command
    arguments = [str(folder), capability, name, json.dumps(args), stop_at, str(run_for_s)]
    return subprocess.Popen([sys.executable, "-c", AGENT, *arguments], cwd=root, stdout=subprocess.PIPE, text=True)


def kill_at(root: Path, folder: Path, command: tuple[str, str, Any], stage: str, run_for_s: float = 30) -> None:
    process = start(root, folder, command, stage, run_for_s)
    assert process.stdout.readline().strip() == stage
    process.send_signal(signal.SIGKILL)
    process.communicate()


def finish(root: Path, folder: Path, command: tuple[str, str, Any], run_for_s: float = 30) -> list[dict[str, Any]]:
    output, _ = start(root, folder, command, "nowhere", run_for_s).communicate(timeout=45)
    found: list[dict[str, Any]] = json.loads(output)
    return found


def effects(folder: Path) -> int:
    path = folder / "effects"
    return len(path.read_text()) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_print_happens_at_most_once_whenever_the_agent_is_killed(tmp_path: Path, repo_root: Path, stage: str) -> None:
    kill_at(repo_root, tmp_path, PRINT, stage)
    before = effects(tmp_path)
    results = finish(repo_root, tmp_path, PRINT)
    outcomes = {result["outcome"] for result in results}
    assert len(outcomes) == 1, "every repetition of the result says the same"
    assert effects(tmp_path) <= 1
    if stage in ("after_received", "before_started"):
        assert (outcomes, effects(tmp_path)) == ({"succeeded"}, 1)
    elif stage in ("after_started", "before_finished"):
        assert (outcomes, effects(tmp_path)) == ({"unknown"}, before)
    else:
        assert (outcomes, effects(tmp_path)) == ({"succeeded"}, 1)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["after_started", "before_finished"])
def test_what_may_be_repeated_is_repeated_in_time(tmp_path: Path, repo_root: Path, stage: str) -> None:
    kill_at(repo_root, tmp_path, MOVE, stage)
    before = effects(tmp_path)
    (result, *_) = finish(repo_root, tmp_path, MOVE)
    assert result["outcome"] == "succeeded"
    assert effects(tmp_path) == before + 1


@pytest.mark.slow
def test_what_may_be_repeated_is_not_repeated_too_late(tmp_path: Path, repo_root: Path) -> None:
    kill_at(repo_root, tmp_path, MOVE, "after_started", run_for_s=0.001)
    (result, *_) = finish(repo_root, tmp_path, MOVE, run_for_s=0.001)
    assert result["outcome"] == "expired"
    assert effects(tmp_path) == 0
