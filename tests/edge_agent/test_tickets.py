"""Taking a ticket with the link down: every number once, whatever the printer does and whenever it crashes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_profiles.capabilities.id_reader import IdDocument
from device_profiles.capabilities.model import Action, Nothing, Shape
from device_profiles.capabilities.printer import PrintArgs, QrBlock, TextBlock
from device_profiles.messages.twin import DesiredAgent, ServiceOffer
from edge_agent.errors import LocalRefusal
from edge_agent.local_flows.book import TicketBook
from edge_agent.local_flows.ticket import TicketDesk, TicketParts
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.slots.runner import SlotParts, SlotRunner
from firmware_bridge.errors import DeviceFault, OutcomeUnknown, TransportLost
from tests.edge_agent.fakes import FakeDriver, FixedDesired, Listener, VirtualClock, machine_file, make_slot, running

PERSON = IdDocument(name="张三", id_number="000000199001010017", birth_date="19900101")
OFFER = ServiceOffer(prefix="A", name_zh="户籍", name_en="Household", blocks=[(1, 3), (10, 11)])


def wanted(**changes: object) -> DesiredAgent:
    values: dict[str, object] = {
        "public_url": "http://hall.test/",
        "subject_salt": "00ff" * 8,
        "day": "2026-03-02",
        "services": {"household": OFFER},
    }
    return DesiredAgent.model_validate(values | changes)


@dataclass
class Desk:
    """A ticket machine without a cloud."""

    tickets: TicketDesk
    book: TicketBook
    outbox: MemoryOutbox
    clock: VirtualClock
    desired: FixedDesired
    printer: FakeDriver
    reader: FakeDriver
    slots: dict[str, SlotRunner]

    async def numbers(self, count: int) -> list[str]:
        return [(await self.tickets.take("household", f"visit-{n:04}")).ticket.number for n in range(count)]

    def issued(self) -> list[dict[str, object]]:
        return [row.data for row in self.outbox.rows if row.type == "ticket.issued"]


@asynccontextmanager
async def ticket_machine(folder: Path) -> AsyncIterator[Desk]:
    clock, outbox, desired = VirtualClock(), MemoryOutbox(), FixedDesired(wanted())
    printer, reader = FakeDriver("printer"), FakeDriver("id_reader")
    (folder / "port").touch()
    parts = SlotParts(clock, outbox, Listener())
    slots = {driver.capability: make_slot(driver, folder / "port", parts) for driver in (printer, reader)}
    async with machine_file(folder) as file, running(*(slot.run for slot in slots.values())):
        await clock.until(lambda: all(slot.ready for slot in slots.values()))
        book = TicketBook(file)
        desk = TicketDesk(TicketParts(book, outbox, desired, clock, slots))
        await desk.recover()
        yield Desk(desk, book, outbox, clock, desired, printer, reader, slots)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with ticket_machine(tmp_path) as found:
        yield found


async def fail(error: Exception) -> Shape:
    raise error


async def give(output: Shape) -> Shape:
    return output


async def test_a_ticket_is_printed_and_told_to_the_cloud(desk: Desk) -> None:
    handed = await desk.tickets.take("household", "visit-0001")
    ((name, document),) = desk.printer.executed
    assert name == "print"
    assert isinstance(document, PrintArgs)
    texts = [block for block in document.blocks if isinstance(block, TextBlock)]
    assert {"户籍", "Household", "A001"} <= {block.text for block in texts}
    assert next(block for block in texts if block.text == "A001").size >= 4
    (code,) = [block.data for block in document.blocks if isinstance(block, QrBlock)]
    assert code == f"http://hall.test/t/{handed.ticket.token}"
    (fact,) = desk.issued()
    assert fact == {
        "ticket_id": handed.ticket.ticket_id,
        "service": "household",
        "number": "A001",
        "token": handed.ticket.token,
        "day": "2026-03-02",
        "medium": "paper",
        "subject": "",
    }
    assert len(handed.ticket.token) >= 16


async def test_numbers_come_from_the_blocks_in_order_until_they_are_used_up(desk: Desk) -> None:
    assert await desk.numbers(5) == ["A001", "A002", "A003", "A010", "A011"]
    with pytest.raises(LocalRefusal) as refusal:
        await desk.tickets.take("household", "visit-more")
    assert refusal.value.code == "numbers_used_up"
    desk.desired.agent = wanted(services={"household": OFFER.model_copy(update={"blocks": [(1, 3), (10, 12)]})})
    assert (await desk.tickets.take("household", "visit-again")).ticket.number == "A012"


async def test_two_taps_give_one_ticket(desk: Desk) -> None:
    first, second = await asyncio.gather(
        desk.tickets.take("household", "visit-0001"), desk.tickets.take("household", "visit-0001")
    )
    assert first.ticket.token == second.ticket.token
    assert len(desk.issued()) == len(desk.printer.executed) == 1


async def test_a_restart_never_uses_a_number_again(tmp_path: Path) -> None:
    async with ticket_machine(tmp_path) as desk:
        assert await desk.numbers(2) == ["A001", "A002"]
    async with ticket_machine(tmp_path) as desk:
        assert (await desk.tickets.take("household", "visit-new")).ticket.number == "A003"
        assert (await desk.tickets.take("household", "visit-0001")).ticket.number == "A002"


async def test_a_crash_while_printing_leaves_a_ticket_that_exists(tmp_path: Path) -> None:
    async with ticket_machine(tmp_path) as desk:
        printing = asyncio.Event()

        async def hang(args: Shape) -> Shape:
            printing.set()
            await asyncio.Event().wait()
            return Nothing()

        desk.printer.acts["print"] = hang
        take = asyncio.ensure_future(desk.tickets.take("household", "visit-0001"))
        await printing.wait()
        take.cancel()
        await asyncio.gather(take, return_exceptions=True)
        assert desk.issued() == []
    async with ticket_machine(tmp_path) as desk:
        assert [fact["number"] for fact in desk.issued()] == ["A001"]
        assert (await desk.tickets.take("household", "visit-0002")).ticket.number == "A002"
    async with ticket_machine(tmp_path) as desk:
        assert desk.issued() == []


@pytest.mark.parametrize(
    "error", [DeviceFault("paper_out", Action.CLEAR, "no paper"), TransportLost("unplugged"), OutcomeUnknown("silent")]
)
async def test_without_paper_the_ticket_is_shown_on_the_screen(desk: Desk, error: Exception) -> None:
    desk.printer.acts["print"] = lambda args: fail(error)
    handed = await desk.tickets.take("household", "visit-0001")
    assert handed.ticket.medium == "screen"
    assert handed.notice is not None
    assert handed.link.endswith(handed.ticket.token)
    assert desk.issued()[0]["medium"] == "screen"


async def test_a_printer_that_is_away_does_not_send_anybody_away(desk: Desk) -> None:
    desk.printer.lost = True
    await desk.clock.until(lambda: not desk.slots["printer"].ready)
    assert (await desk.tickets.take("household", "visit-0001")).ticket.medium == "screen"


async def test_a_card_becomes_a_token_and_nothing_else(desk: Desk) -> None:
    desk.reader.acts["read"] = lambda args: give(PERSON)
    await desk.tickets.take("household", "visit-0001", with_card=True)
    await desk.tickets.take("household", "visit-0002", with_card=True)
    first, second = desk.issued()
    assert first["subject"] == second["subject"] != ""
    assert PERSON.id_number not in str(desk.outbox.rows) + str(desk.printer.executed)


async def test_no_card_uses_no_number(desk: Desk) -> None:
    desk.reader.acts["read"] = lambda args: fail(DeviceFault("no_media", Action.SUSPEND, "no card"))
    with pytest.raises(LocalRefusal) as refusal:
        await desk.tickets.take("household", "visit-0001", with_card=True)
    assert refusal.value.code == "no_media"
    assert await desk.book.used_up_to("2026-03-02", "household") == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"day": ""}, "no_numbers"),
        ({"day": "2026-02-27"}, "no_numbers"),
        ({"services": {}}, "unknown_service"),
        ({"services": {"household": OFFER.model_copy(update={"blocks": []})}}, "numbers_used_up"),
    ],
)
async def test_without_numbers_for_today_the_screen_says_so(desk: Desk, changes: dict[str, object], code: str) -> None:
    desk.desired.agent = wanted(**changes)
    with pytest.raises(LocalRefusal) as refusal:
        await desk.tickets.take("household", "visit-0001")
    assert refusal.value.code == code
    assert refusal.value.zh


async def test_a_full_outbox_begins_nothing_new(desk: Desk) -> None:
    while await desk.outbox.accepts_flows():
        await desk.outbox.append("agent", "ticket.issued", {"x": "y" * 40_000}, desk.clock.now())
    with pytest.raises(LocalRefusal) as refusal:
        await desk.tickets.take("household", "visit-0001")
    assert refusal.value.code == "machine_busy"


async def test_a_new_day_begins_with_its_own_numbers(desk: Desk) -> None:
    await desk.numbers(2)
    desk.desired.agent = wanted(day="2026-03-03")
    assert (await desk.tickets.take("household", "visit-next")).ticket.number == "A001"


async def test_what_is_offered_says_how_many_are_left(desk: Desk) -> None:
    await desk.numbers(2)
    (offered,) = await desk.tickets.offered()
    assert (offered.service, offered.left) == ("household", 3)


async def test_when_the_book_is_lost_the_numbers_leased_before_are_not_given_again(desk: Desk) -> None:
    await desk.book.distrust()
    with pytest.raises(LocalRefusal) as refusal:
        await desk.tickets.take("household", "visit-0001")
    assert refusal.value.code == "numbers_used_up"
    desk.desired.agent = wanted(services={"household": OFFER.model_copy(update={"blocks": [(1, 3), (10, 14)]})})
    assert (await desk.tickets.take("household", "visit-0002")).ticket.number == "A012"
