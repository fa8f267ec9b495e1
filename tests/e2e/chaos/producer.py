"""One machine that tells facts as fast as wanted: the agent's own outbox, session and MQTT uplink, without devices.

Devices would only slow it down: a printer tells a few facts a minute. ``FOLDER/accepted`` holds how many facts the
outbox has accepted, written after each; the number of a fact is durable in the same moment as the fact itself (its
origin), so a killed producer goes on exactly where it was.
"""

import argparse
import asyncio
import logging
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from device_profiles.messages.command import CommandBody
from device_profiles.messages.facts import Sample, Samples
from device_profiles.messages.inventory import Inventory
from edge_agent.errors import AgentError
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.ports import Lane
from edge_agent.storage import DurableFile, Values, values
from edge_agent.timing import Backoff, SystemClock
from edge_agent.twin import Desired, Reported
from edge_agent.uplink.address import BrokerAddress
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.session import CloudSession, SessionParts, presence_of

OUTBOX_FILE = "outbox.db"
ACCEPTED = "accepted"
NOTED = "agent.noted"
ROOM_MIB = 16
TELEMETRY_EACH = 10  # one sample set for so many facts
AGAIN_S = 0.05
_CLOCK = SystemClock()


class NoCommands:
    """Takes no commands."""

    async def accept(self, slot: str, body: CommandBody) -> None:
        """Nobody commands here."""


async def produce(outbox: SqliteOutbox, folder: Path, facts: int, per_s: float) -> None:
    """Tell facts 1 to ``facts``, each until it is accepted; then wait for ever."""
    file = os.open(folder / ACCEPTED, os.O_WRONLY | os.O_CREAT)
    number = int(await outbox.last_origin("agent") or 0)
    while number < facts:
        number += 1
        await accepted(outbox, {"n": number, "text": "x" * 80}, str(number))
        _note(file, number)
        if number % TELEMETRY_EACH == 0:
            sample = Sample(at_ms=round(_CLOCK.now().timestamp() * 1000), slot="agent", metrics={"told": number})
            await accepted(outbox, Samples(samples=[sample]).model_dump(mode="json"), "")
        await asyncio.sleep(1 / per_s)
    _note(file, number)
    await asyncio.Event().wait()


async def accepted(outbox: SqliteOutbox, data: dict[str, Any], origin: str) -> None:
    """Append, again and again while the disk does not take it: what is not durable is not accepted."""
    lane, fact_type = (Lane.BUSINESS, NOTED) if origin else (Lane.TELEMETRY, "agent.sampled")
    while True:
        try:
            await outbox.append("agent", fact_type, data, _CLOCK.now(), lane, origin=origin)
            return
        except AgentError as error:
            logging.warning("not accepted: %s", error)
            await asyncio.sleep(AGAIN_S)


def _note(file: int, number: int) -> None:
    try:
        os.pwrite(file, f"{number:012d}\n".encode(), 0)
    except OSError as error:  # only a note: the outbox knows
        logging.warning("note: %s", error)


async def run(folder: Path, machine: str, port: int, facts: int, per_s: float) -> None:
    """Be the machine until SIGTERM."""
    outbox = SqliteOutbox(folder / OUTBOX_FILE, room_mib=ROOM_MIB)
    file = DurableFile(folder / "machine.db", values.SCHEMA, room_mib=2)
    try:
        await outbox.open(_CLOCK.now())
        await file.open(_CLOCK.now())
        await serve(outbox, file, folder, machine, port, facts, per_s)
    finally:
        await outbox.close()
        await file.close()


async def serve(
    outbox: SqliteOutbox, file: DurableFile, folder: Path, machine: str, port: int, facts: int, per_s: float
) -> None:
    """Tell facts and send them, on files that are open."""
    reported, desired = Reported(Values(file)), Desired(Values(file))
    await reported.open()
    await desired.open()
    parts = SessionParts(
        machine=machine,
        agent_version="chaos",
        since=datetime.now(UTC),
        outbox=outbox,
        reported=reported,
        desired=desired,
        commands=NoCommands(),
        inventory=lambda: Inventory(machine_profile="kiosk", digest="0", slots={}),
        online_changed=lambda online: None,
        clock=_CLOCK,
    )
    uplink = MqttUplink(BrokerAddress("127.0.0.1", port, 5), machine, presence_of(parts, "offline").to_bytes())
    session = CloudSession(uplink, parts, Backoff(0.2, 2.0))
    async with asyncio.TaskGroup() as group:
        works = [group.create_task(session.run()), group.create_task(produce(outbox, folder, facts, per_s))]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [work.cancel() for work in works])


def main() -> None:
    """The command line of one machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("machine")
    parser.add_argument("port", type=int)
    parser.add_argument("facts", type=int)
    parser.add_argument("per_s", type=float)
    options = parser.parse_args()
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    asyncio.run(run(options.folder, options.machine, options.port, options.facts, options.per_s))


if __name__ == "__main__":
    main()
