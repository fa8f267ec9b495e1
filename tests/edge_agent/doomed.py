"""An agent's parts on real lines in a process of its own, made to be killed: one command a life.

``python -m tests.edge_agent.doomed FOLDER LINKS COMMAND_ID SLOT NAME ARGS`` settles what the last life left, accepts
the command, says ``accepted`` and, if it lives to see that, ``settled``. With an empty COMMAND_ID it settles what is
left and tells every outcome.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from device_profiles.catalog import load_catalog
from device_profiles.messages.command import CommandBody
from edge_agent.addresses import parse_address
from edge_agent.assembly import runner
from edge_agent.commands.execute import FINISHED, RECONCILED, Executor
from edge_agent.commands.journal import Journal
from edge_agent.commands.proof import ProvenSlot
from edge_agent.devices.places import FilePlace
from edge_agent.lease import Lease
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.plan import Mounted
from edge_agent.slots.runner import SlotParts, SlotRunner
from edge_agent.storage import Values
from edge_agent.timing import SystemClock
from firmware_bridge.registry import transport_for
from firmware_bridge.transports.shared import SharedLines
from tests.edge_agent.fakes import FixedDesired, Listener, machine_file

PERIPHERALS = {"printer": "epson-compatible-80", "dispenser": "quio-cd-720m"}
LOOK_S = 0.05


async def main(folder: Path, links: Path, command: list[str]) -> None:
    """One life."""
    clock = SystemClock()
    outbox = SqliteOutbox(folder / "outbox.db", room_mib=8)
    await outbox.open(clock.now())
    async with machine_file(folder, clock.now()) as file:
        parts = SlotParts(clock, outbox, Listener(), remembered=Values(file))
        slots = {name: _slot(name, links / name, parts) for name in PERIPHERALS}
        journal = Journal(file)
        proven = {name: ProvenSlot(name, slot, journal, clock) for name, slot in slots.items()}
        executor = Executor(journal, outbox, proven, FixedDesired(), clock, Lease(Values(file), clock))
        await executor.recover()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work()) for work in (executor.run, *(slot.run for slot in slots.values()))]
            await _settled(journal)  # what the last life left, before anything new
            if command[0]:
                await executor.accept(command[1], _body(command, clock))
                print("accepted", flush=True)
                await _settled(journal)
                print("settled", flush=True)
                await asyncio.Event().wait()
            found = {row.data["command_id"]: row.data for row in await outbox.peek(0, 100_000) if row.type == FINISHED}
            late = {row.data["command_id"]: row.data for row in await outbox.peek(0, 100_000) if row.type == RECONCILED}
            print(json.dumps({"finished": found, "reconciled": late}), flush=True)
            for task in tasks:
                task.cancel()
    await outbox.close()


def _slot(name: str, link: Path, parts: SlotParts) -> SlotRunner:
    mounted = Mounted(load_catalog().peripheral(PERIPHERALS[name]), parse_address(str(link)))
    return runner(name, mounted, FilePlace(link), parts, SharedLines(transport_for))


def _body(command: list[str], clock: SystemClock) -> CommandBody:
    return CommandBody(
        command_id=command[0],
        name=command[2],
        args=json.loads(command[3]),
        start_by=clock.now() + timedelta(days=1),
        run_for_s=60,
    )


async def _settled(journal: Journal) -> None:
    """Waits until the outcome of everything is in the outbox."""
    while await journal.unreported() or any([await journal.doubts(slot) for slot in PERIPHERALS]):  # noqa: ASYNC110 - the file is all that tells
        await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]))
