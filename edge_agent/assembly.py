"""What an agent is put together from: its files, its one owner, its slots."""

import fcntl
import logging
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from device_profiles.configuration import make_folder
from edge_agent.commands import journal
from edge_agent.errors import AgentError
from edge_agent.local_flows import book
from edge_agent.local_flows.book import TicketBook
from edge_agent.outbox.sqlite import SqliteOutbox
from edge_agent.plan import Mounted
from edge_agent.ports import Place
from edge_agent.settings import EdgeSettings
from edge_agent.slots.runner import FIRST_BACKOFF_S, LONGEST_BACKOFF_S, SlotParts, SlotRunner
from edge_agent.storage import DurableFile, values
from edge_agent.timing import Backoff, SystemClock
from firmware_bridge.drivers import Driver
from firmware_bridge.registry import load_driver, transport_for
from firmware_bridge.transports.shared import SharedLines

OUTBOX_FILE = "outbox.db"
MACHINE_FILE = "machine.db"
MACHINE_SCHEMA = values.SCHEMA + journal.SCHEMA + book.SCHEMA
MACHINE_ROOM_MIB = 4
_log = logging.getLogger(__name__)


@asynccontextmanager
async def opened_files(settings: EdgeSettings) -> AsyncIterator[tuple[SqliteOutbox, DurableFile]]:
    """Outbox and machine file, closed with the block. Raises StorageError."""
    now = SystemClock().now()
    outbox = SqliteOutbox(settings.data_dir / OUTBOX_FILE, room_mib=settings.outbox_mib)
    file = DurableFile(settings.data_dir / MACHINE_FILE, MACHINE_SCHEMA, room_mib=MACHINE_ROOM_MIB)
    try:
        outbox_is_new = await outbox.open(now)
        if await file.open(now) and not outbox_is_new:
            _log.error("%s: lost; ticket numbers leased before will not be used again", file.path)
            await TicketBook(file).distrust()
        yield outbox, file
    finally:
        await outbox.close()
        await file.close()


@contextmanager
def sole_owner(settings: EdgeSettings) -> Iterator[None]:
    """Two agents on one outbox would number their facts twice: the second one is refused."""
    make_folder("data_dir", settings.data_dir)
    try:
        lock_file = (settings.data_dir / "agent.lock").open("w")
    except OSError as error:
        raise AgentError(
            f"data_dir: expected a folder that can be written, got for {settings.data_dir}: {error.strerror}; "
            "is the disk broken or mounted read-only?"
        ) from error
    with lock_file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AgentError(f"data_dir: another agent already runs on {settings.data_dir}; stop it first") from None
        yield


def boot_id() -> str:
    """The kernel's name for this boot; one of our own, which no other run shares, where it has none."""
    file = Path("/proc/sys/kernel/random/boot_id")
    return file.read_text().strip() if file.exists() else uuid.uuid4().hex


def runner(name: str, mounted: Mounted, place: Place, parts: SlotParts, lines: SharedLines) -> SlotRunner:
    """The slot ``name`` on its own line, or on one that it shares."""
    find = lines.transport if mounted.shared or mounted.profile.line.echo else transport_for

    async def connect(address: str) -> Driver:
        transport = find(mounted.profile, address)
        driver = load_driver(mounted.profile, transport, parts.clock)
        await transport.open()
        return driver

    backoff = Backoff(FIRST_BACKOFF_S, LONGEST_BACKOFF_S)
    return SlotRunner(name, mounted.profile, place, connect, parts, backoff)


def resident_mib() -> float:
    """Memory that this process has now."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
