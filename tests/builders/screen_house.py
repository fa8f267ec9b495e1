"""A machine's own screen for browser tests: the real desk, ticket book and board on fake devices, on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from device_profiles.capabilities.screen import Bilingual, ChooseArgs, Option, ShowArgs
from device_profiles.catalog import load_catalog
from device_profiles.messages.twin import DesiredAgent, ServiceOffer
from edge_agent.lease import Lease
from edge_agent.local_flows.book import TicketBook
from edge_agent.local_flows.ticket import TicketDesk, TicketParts
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.screen.board import Board
from edge_agent.screen.desk import DeskParts, ScreenDesk
from edge_agent.screen.guard import CitizenGuard
from edge_agent.screen.routes import application
from edge_agent.screen.server import serve
from edge_agent.screen.slot import ScreenSlot
from edge_agent.slots.runner import SlotParts
from edge_agent.storage import Values
from edge_agent.timing import SystemClock
from tests.edge_agent.fakes import FakeDriver, FixedDesired, Listener, eventually, machine_file, make_slot, running

SERVICES = [
    ("household", "A", "户籍业务", "Household registration"),
    ("exit-entry", "B", "出入境业务", "Exit and entry"),
    ("social-insurance", "C", "社会保险", "Social insurance"),
    ("property-tax", "D", "房产交易与税务", "Property and tax"),
]
ITEMS = {"hk-macao-endorsement": ("往来港澳签注", "Hong Kong and Macao endorsement")}


class ScreenHouse:
    """A machine with a screen. ``online``: whether it says that the cloud can be reached."""

    def __init__(self, profile: str, drivers: list[FakeDriver], outbox: MemoryOutbox, port: int) -> None:
        self.printer, self.reader = drivers
        self.outbox, self.port = outbox, port
        self.online = True
        self.out_of_service = False
        self.clock = SystemClock()
        self.board = Board(self.clock)
        self.slot = ScreenSlot(self.board, self.clock)
        self.desired = FixedDesired(_wanted())
        self.profile = load_catalog().machine(profile)
        self._serving: asyncio.Task[None] | None = None
        self.desk: ScreenDesk | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def guard(self, lease: Lease) -> CitizenGuard:
        self.lease = lease
        return CitizenGuard(self.board, lease, lambda: self.out_of_service)

    async def start(self) -> None:
        assert self.desk is not None
        self._serving = asyncio.create_task(serve(application(self.desk), self.port))
        await _answers(self.port)

    async def stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
            self._serving = None

    def touch(self) -> None:
        """Something that the page shows has changed."""
        self.board.touch()

    async def show(self, zh: str, en: str, tone: str, *, end: bool = False) -> None:
        """The cloud shows a message."""
        args = ShowArgs.model_validate({"message": {"zh": zh, "en": en}, "tone": tone, "end_session": end})
        await self.slot.execute("show", args, run_for_s=5)

    async def choose(self, zh: str, en: str, *options: tuple[str, str, str]) -> str:
        """The cloud asks; returns the option that was touched."""
        asked = [Option(id=name, label=Bilingual(zh=zh, en=en)) for name, zh, en in options]
        args = ChooseArgs(question=Bilingual(zh=zh, en=en), options=asked, wait_s=20)
        answer = await self.slot.execute("choose", args, run_for_s=25)
        return str(answer.model_dump()["option"])


def _wanted() -> DesiredAgent:
    offers = {
        name: ServiceOffer(prefix=prefix, name_zh=zh, name_en=en, blocks=[(1, 40)]) for name, prefix, zh, en in SERVICES
    }
    day = datetime.now(UTC).date().isoformat()
    return DesiredAgent(public_url="http://hall.test", subject_salt="00ff" * 8, day=day, services=offers, items=ITEMS)


async def _answers(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


@asynccontextmanager
async def open_screen(profile: str, folder: Path, port: int) -> AsyncIterator[ScreenHouse]:
    """A machine of this profile whose devices answer, its screen served."""
    drivers = [FakeDriver("printer"), FakeDriver("id_reader")]
    (folder / "port").touch()
    outbox = MemoryOutbox()
    house = ScreenHouse(profile, drivers, outbox, port)
    parts = SlotParts(house.clock, outbox, Listener())
    slots = {driver.capability: make_slot(driver, folder / "port", parts) for driver in drivers}
    async with machine_file(folder, house.clock.now()) as file, running(*(slot.run for slot in slots.values())):
        await eventually(lambda: all(slot.ready for slot in slots.values()))
        tickets = TicketDesk(TicketParts(TicketBook(file), outbox, house.desired, house.clock, slots))
        house.desk = ScreenDesk(
            DeskParts(
                machine="machine-1",
                profile=house.profile,
                board=house.board,
                slot=house.slot,
                tickets=tickets,
                outbox=outbox,
                desired=house.desired,
                clock=house.clock,
                by_capability=slots,
                online=lambda: house.online,
                guard=house.guard(Lease(Values(file), house.clock)),
            )
        )
        await house.start()
        try:
            yield house
        finally:
            await house.stop()
