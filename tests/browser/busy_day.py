"""A morning in the demo hall with something of everything on the pages."""

from cloud.core.errors import Conflict
from tests.builders.clouds import HALL
from tests.builders.page_house import PageHouse


async def fill(house: PageHouse) -> dict[str, str]:
    """Tickets, counters in every state, two faults, a proposal. Returns tokens by ticket number."""
    await house.machines_online(but=("renew-1",))
    for counter in ("c1", "c2", "c3", "c4", "c5"):
        await house.counter(counter, "open")
    tokens: dict[str, str] = {}
    for minute in range(40):
        house.clock.advance(60)
        for service, every in (("household", 7), ("exit-entry", 2), ("social-insurance", 5), ("property-tax", 9)):
            if minute % every == 0:
                number, token = await house.ticket(service)
                tokens[number] = token
        if minute in (4, 9, 15, 22, 30):
            for counter in ("c1", "c4", "c5") if minute % 2 else ("c2", "c3"):
                await _serve_one(house, counter)
    await house.counter("c2", "call_next")
    await house.counter("c4", "call_next")
    await house.counter("c4", "start")
    await house.counter("c3", "call_next")
    await house.counter("c5", "pause")
    await house.status("kiosk-1", "printer", "paper", "low")
    house.clock.advance(90)
    await house.status("ticket-1", "printer", "paper", "out")
    await house.consider()
    house.clock.advance(200)
    return tokens


async def _serve_one(house: PageHouse, counter: str) -> None:
    try:
        await house.counter(counter, "call_next")
    except Conflict:
        return
    await house.counter(counter, "start")
    await house.counter(counter, "finish")


async def called(house: PageHouse, tokens: dict[str, str]) -> str:
    """The token of a ticket that is being called."""
    live = await house.cloud.db.read(lambda conn: house.cloud.queues.board.board(conn, HALL))
    return next(tokens[ticket.number] for ticket in live.tickets.values() if ticket.state == "called")
