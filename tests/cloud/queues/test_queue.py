"""People waiting, on both databases: numbers, calls, ratings, the turn of the day."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.commands import store as commands
from cloud.core.clock import SetClock
from cloud.core.errors import Conflict, Invalid, NotFound
from cloud.queues.model import CounterState, Ticket
from cloud.queues.states import CounterStep
from cloud.twins.store import read_twin
from cloud.wiring import Cloud
from device_profiles.hall.numbers import next_number, parse_number
from device_profiles.hall.ticket_states import Actor, TicketState
from device_profiles.messages.twin import DesiredAgent
from tests.builders.clouds import HALL, MORNING, open_cloud, tell

TODAY = "2026-03-02"


@pytest.fixture
def clock() -> SetClock:
    return SetClock(MORNING)


@pytest.fixture
async def cloud(database_url: str, tmp_path: Path, clock: SetClock) -> AsyncIterator[Cloud]:
    async with open_cloud(database_url, tmp_path / "cloud", clock) as opened:
        yield opened


async def desired(cloud: Cloud, machine: str) -> DesiredAgent:
    twin = await cloud.db.read(lambda conn: read_twin(conn, machine))
    return DesiredAgent.model_validate(twin["desired"])


async def hand_out(cloud: Cloud, machine: str, service: str, ticket_id: str = "", **changes: Any) -> dict[str, Any]:
    """Let a machine issue the next number of its blocks, as its agent does."""
    wanted = await desired(cloud, machine)
    offer = wanted.services[service]
    board = await cloud.db.read(lambda conn: _numbers(cloud, conn, wanted.day, service, machine))
    number = next_number(offer.blocks, max(board, default=0))
    assert number is not None
    text = f"{offer.prefix}{number:03d}"
    data = {
        "ticket_id": ticket_id or f"{machine}-{wanted.day}-{text}",
        "service": service,
        "number": text,
        "token": f"token-{machine}-{wanted.day}-{text}",
        "day": wanted.day,
        **changes,
    }
    await tell(cloud, machine, "ticket.issued", data)
    return data


def _numbers(cloud: Cloud, conn: Any, day: str, service: str, machine: str) -> list[int]:
    from cloud.queues.store.tickets import numbers_of

    return [parse_number(text)[1] for text in numbers_of(conn, HALL, day, service, machine)]


async def ticket(cloud: Cloud, ticket_id: str) -> Ticket:
    return await cloud.db.read(lambda conn: cloud.queues.ticket(conn, ticket_id))


async def press(cloud: Cloud, counter: int, key: str) -> None:
    await tell(cloud, f"counter-{counter}", "caller.key_pressed", {"key": key}, "caller")


async def sent(cloud: Cloud, machine: str, slot: str) -> list[dict[str, Any]]:
    rows = await cloud.db.read(commands.open_commands)
    return [row.args for row in rows if (row.machine, row.slot) == (machine, slot)]


async def test_every_machine_with_a_screen_learns_what_it_needs(cloud: Cloud) -> None:
    ticket_machine, endorsement = await desired(cloud, "ticket-1"), await desired(cloud, "endorse-1")
    assert ticket_machine.day == endorsement.day == TODAY
    assert ticket_machine.seal_key
    assert set(ticket_machine.services) == {"household", "exit-entry", "social-insurance", "property-tax"}
    assert endorsement.services == {}
    assert endorsement.items == {"hk-macao-endorsement": ("往来港澳签注", "Hong Kong and Macao endorsement")}


async def test_blocks_of_different_machines_never_overlap(cloud: Cloud) -> None:
    blocks = [(await desired(cloud, name)).services["household"].blocks for name in ("ticket-1", "ticket-2", "kiosk-1")]
    numbers = [number for held in blocks for first, last in held for number in range(first, last + 1)]
    assert sorted(numbers) == list(range(1, 31))


async def test_a_machine_that_runs_short_gets_another_block(cloud: Cloud) -> None:
    for _ in range(5):
        await hand_out(cloud, "ticket-1", "household")
    assert len((await desired(cloud, "ticket-1")).services["household"].blocks) == 1
    given = [await hand_out(cloud, "ticket-1", "household") for _ in range(15)]
    assert len({data["number"] for data in given}) == 15
    assert len((await desired(cloud, "ticket-1")).services["household"].blocks) > 1


async def test_a_machine_with_a_new_disk_gets_numbers_that_it_cannot_have_printed(cloud: Cloud) -> None:
    presence = {"state": "online", "agent_version": "1", "since": MORNING.isoformat().replace("+00:00", "Z")}
    await tell(cloud, "ticket-1", "machine.announced", {**presence, "epoch": 5})
    before = (await desired(cloud, "ticket-1")).services
    await tell(cloud, "ticket-1", "machine.announced", {**presence, "epoch": 5})
    assert (await desired(cloud, "ticket-1")).services == before  # the same disk keeps its numbers
    await tell(cloud, "ticket-1", "machine.announced", {**presence, "epoch": 6})
    after = (await desired(cloud, "ticket-1")).services
    for service, offer in after.items():
        assert offer.blocks
        assert min(first for first, _ in offer.blocks) > max(last for _, last in before[service].blocks)


async def test_a_ticket_told_twice_is_taken_once(cloud: Cloud) -> None:
    data = await hand_out(cloud, "ticket-1", "household")
    await tell(cloud, "ticket-1", "ticket.issued", data)
    board = await cloud.db.read(lambda conn: cloud.queues.board.board(conn, HALL))
    assert board.lines[0].waiting == 1


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"number": "A011"}, Conflict, "not leased to ticket-1"),
        ({"number": "A001", "ticket_id": "other", "token": "t" * 20}, Conflict, "given before"),
        ({"number": "B002"}, Invalid, "expected prefix A"),
        ({"number": "A2"}, Invalid, "expected a letter and digits"),
        ({"service": "no-such"}, Invalid, "service 'no-such' is not known"),
        ({"token": "short"}, Invalid, "token"),
        ({"number": "A002", "ticket_id": "first"}, Conflict, "told before as A001"),
    ],
)
async def test_a_ticket_that_cannot_be_is_refused(
    cloud: Cloud, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    first = await hand_out(cloud, "ticket-1", "household", "first")
    second = {**first, "number": "A002", "ticket_id": "second", "token": "another-token-of-20-c"}
    with pytest.raises(error, match=words):
        await tell(cloud, "ticket-1", "ticket.issued", {**second, **changes})


async def test_only_machines_that_hand_out_tickets_may(cloud: Cloud) -> None:
    data = await hand_out(cloud, "ticket-1", "household")
    with pytest.raises(Invalid, match="expected a machine that hands out tickets"):
        await tell(cloud, "endorse-1", "ticket.issued", data)


async def test_a_visit_from_call_to_rating(cloud: Cloud) -> None:
    data = await hand_out(cloud, "ticket-1", "household")
    await press(cloud, 1, "open")
    await press(cloud, 1, "call_next")
    called = await ticket(cloud, data["ticket_id"])
    assert (called.state, called.counter, called.clerk, called.calls) == (TicketState.CALLED, "c1", "w1", 1)
    shown = (await sent(cloud, "counter-1", "display"))[-1]
    assert (shown["ticket"], shown["counter"]) == (data["number"], 1)
    await press(cloud, 1, "start")
    await press(cloud, 1, "finish")
    assert (await sent(cloud, "counter-1", "pad"))[-1] == {"mode": "ask_rating", "subject": data["ticket_id"]}
    for grade in (5, 1):
        await tell(cloud, "counter-1", "evaluator.rated", {"grade": grade, "subject": data["ticket_id"]}, "pad")
    assert (await ticket(cloud, data["ticket_id"])).state is TicketState.DONE
    assert await cloud.db.read(lambda conn: cloud.queues.rating(conn, data["ticket_id"])) == 5


async def test_a_rating_at_another_counter_is_refused(cloud: Cloud) -> None:
    data = await hand_out(cloud, "ticket-1", "household")
    await press(cloud, 1, "call_next")
    with pytest.raises(Conflict, match="is called, not served"):
        await tell(cloud, "counter-1", "evaluator.rated", {"grade": 5, "subject": data["ticket_id"]}, "pad")
    with pytest.raises(Conflict, match="was not served there"):
        await tell(cloud, "counter-2", "evaluator.rated", {"grade": 5, "subject": data["ticket_id"]}, "pad")
    await tell(cloud, "counter-1", "evaluator.rated", {"grade": 5, "subject": ""}, "pad")


async def test_a_number_is_recalled_and_then_passed_over_and_the_late_citizen_comes_after_all(cloud: Cloud) -> None:
    data = await hand_out(cloud, "ticket-1", "household")
    for key in ("call_next", "recall", "recall", "recall", "no_show"):
        await press(cloud, 1, key)
    gone = await ticket(cloud, data["ticket_id"])
    assert (gone.state, gone.calls) == (TicketState.NO_SHOW, 3)
    await press(cloud, 2, "open")
    await cloud.db.write(lambda tx: cloud.queues.counters.recall(tx, "c2", data["ticket_id"]))
    back = await ticket(cloud, data["ticket_id"])
    assert (back.state, back.counter, back.calls) == (TicketState.CALLED, "c2", 4)


async def test_what_the_rules_refuse_is_shown_to_the_clerk_and_changes_nothing(cloud: Cloud) -> None:
    told: list[str] = []
    cloud.bus.on("counter.key_refused", lambda tx, fact: told.append(fact.data["reason"]))
    await press(cloud, 1, "call_next")
    await press(cloud, 1, "finish")
    assert [reason.split(":")[1].strip() for reason in told] == [
        "nobody waits for household", "no number is called here; call the next one first",
    ]  # fmt: skip
    assert (await sent(cloud, "counter-1", "display"))[-1]["text"] == "无人等候"


async def test_a_call_key_that_comes_too_late_calls_nobody(cloud: Cloud, clock: SetClock) -> None:
    data = await hand_out(cloud, "ticket-1", "household")
    from tests.builders.clouds import told

    late = told(cloud, "counter-1", "caller.key_pressed", {"key": "call_next"}, "caller")
    clock.advance(61)
    await cloud.db.write(lambda tx: tx.publish(late))
    assert (await ticket(cloud, data["ticket_id"])).state is TicketState.WAITING


async def test_two_clerks_who_press_at_once_get_two_citizens(cloud: Cloud) -> None:
    for _ in range(2):
        await hand_out(cloud, "ticket-1", "household")
    counters = cloud.queues.counters
    answers = await asyncio.gather(
        cloud.db.write(lambda tx: counters.call_next(tx, "c1")),
        cloud.db.write(lambda tx: counters.call_next(tx, "c2")),
    )
    assert sorted(called.number for _, called in answers) == ["A001", "A002"]


async def test_one_clerk_who_presses_twice_gets_one_citizen(cloud: Cloud) -> None:
    for _ in range(2):
        await hand_out(cloud, "ticket-1", "household")
    await press(cloud, 1, "call_next")
    with pytest.raises(Conflict, match="a citizen is here"):
        await cloud.db.write(lambda tx: cloud.queues.counters.call_next(tx, "c1"))


async def test_the_oldest_ticket_of_the_counters_services_is_called(cloud: Cloud, clock: SetClock) -> None:
    await cloud.db.write(lambda tx: cloud.queues.counters.change_services(tx, "c1", ("household", "exit-entry")))
    order = []
    for service in ("exit-entry", "property-tax", "household", "exit-entry"):
        order.append((await hand_out(cloud, "ticket-1", service))["number"])
        clock.advance(1)
    called = []
    for _ in range(3):
        _, now = await cloud.db.write(lambda tx: cloud.queues.counters.call_next(tx, "c1"))
        called.append(now.number)
        await cloud.db.write(lambda tx: cloud.queues.counters.no_show(tx, "c1"))
    assert called == [order[0], order[2], order[3]]


async def test_position_and_estimate_follow_the_line(cloud: Cloud, clock: SetClock) -> None:
    given = []
    for _ in range(3):
        given.append(await hand_out(cloud, "ticket-1", "household"))
        clock.advance(1)
    position = cloud.queues.board.position
    third = await cloud.db.read(lambda conn: position(conn, given[2]["token"]))
    assert (third.people_ahead, third.estimate) == (2, None)
    await press(cloud, 1, "call_next")
    third = await cloud.db.read(lambda conn: position(conn, given[2]["token"]))
    assert third.people_ahead == 1
    assert third.estimate is not None
    first = await cloud.db.read(lambda conn: position(conn, given[0]["token"]))
    assert (first.people_ahead, first.counter_number) == (None, 1)
    with pytest.raises(NotFound):
        await cloud.db.read(lambda conn: position(conn, "no-such-token"))


async def test_a_cancelled_ticket_frees_its_counter_and_a_served_one_stays(cloud: Cloud) -> None:
    one, two = await hand_out(cloud, "ticket-1", "household"), await hand_out(cloud, "ticket-1", "household")
    await press(cloud, 1, "call_next")
    await cloud.db.write(lambda tx: cloud.queues.tickets.cancel(tx, one["ticket_id"], Actor.CITIZEN))
    await press(cloud, 1, "call_next")
    await press(cloud, 1, "start")
    with pytest.raises(Conflict, match="ticket is serving: cancel is not possible"):
        await cloud.db.write(lambda tx: cloud.queues.tickets.cancel(tx, two["ticket_id"], Actor.CITIZEN))


async def test_a_new_day_ends_the_old_one_and_begins_at_one(cloud: Cloud, clock: SetClock) -> None:
    left, seen = await hand_out(cloud, "ticket-1", "household"), await hand_out(cloud, "ticket-1", "household")
    await press(cloud, 1, "call_next")
    await press(cloud, 1, "start")
    clock.advance(15 * 3600 - 1)  # a second before midnight in Shanghai
    assert await cloud.db.write(cloud.queues.days.roll) == []
    clock.advance(1)
    assert await cloud.db.write(cloud.queues.days.roll) == [HALL]
    assert (await ticket(cloud, left["ticket_id"])).state is TicketState.DONE
    assert (await ticket(cloud, seen["ticket_id"])).state is TicketState.CANCELLED
    board = await cloud.db.read(lambda conn: cloud.queues.board.board(conn, HALL))
    assert {counter.state for counter in board.counters} == {CounterState.CLOSED}
    assert (await desired(cloud, "ticket-1")).day == "2026-03-03"
    assert (await hand_out(cloud, "ticket-1", "household"))["number"] == "A001"
    late = {**seen, "ticket_id": "late", "number": "A003", "token": "a-token-of-yesterday"}
    await tell(cloud, "ticket-1", "ticket.issued", late)
    assert (await ticket(cloud, "late")).state is TicketState.CANCELLED


async def test_staff_issue_numbers_that_no_machine_holds(cloud: Cloud) -> None:
    issued = await cloud.db.write(lambda tx: cloud.queues.tickets.issue(tx, HALL, "household"))
    assert issued.number == "A041"  # four machines hold ten each
    with pytest.raises(NotFound):
        await cloud.db.write(lambda tx: cloud.queues.tickets.issue(tx, HALL, "no-such"))


async def test_a_counter_opens_pauses_and_closes_by_its_table(cloud: Cloud) -> None:
    turn = cloud.queues.counters.turn
    opened = await cloud.db.write(lambda tx: turn(tx, "demo-hall:c3", CounterStep.OPEN, "w1"))
    assert (opened.state, opened.clerk) == (CounterState.OPEN, "w1")
    await cloud.db.write(lambda tx: turn(tx, "c3", CounterStep.PAUSE))
    assert (await sent(cloud, "counter-3", "pad"))[-1]["mode"] == "paused"
    await cloud.db.write(lambda tx: turn(tx, "c3", CounterStep.CLOSE))
    with pytest.raises(Conflict, match="counter is closed: pause is not possible, only open"):
        await cloud.db.write(lambda tx: turn(tx, "c3", CounterStep.PAUSE))
    with pytest.raises(NotFound):
        await cloud.db.write(lambda tx: turn(tx, "c99", CounterStep.OPEN))
