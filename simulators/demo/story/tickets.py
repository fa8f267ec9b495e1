"""Scenes of the queue: ticket, paper, QR code, call, display, rating, no-show."""

import asyncio
from typing import Any

from simulators.demo.story.world import World, expect

SERVICE, COUNTER, COUNTER_MACHINE = "household", "c1", "counter-1"


async def counters_open(world: World) -> str:
    """clerks press open | every counter is open."""
    for counter in world.hall.plan.hall.counters:
        await world.press(counter.machine, "caller", "press_key", key="open")
    seen = await world.eventually(world.hall.counters, lambda seen: all(each["state"] == "open" for each in seen))
    return f"{len(seen)} counters open"


async def swipe_takes_ticket(world: World) -> str:
    """a citizen swipes an ID card | the printed bytes decode to the number that the screen shows."""
    ticket = await world.take_ticket("ticket-1", SERVICE, card_of="p001")
    paper = await last_paper(world, "ticket-1")
    text = "\n".join(paper["lines"])
    expect(ticket["medium"] == "paper", f"medium {ticket['medium']}")
    expect(ticket["number"] in text.split(), f"screen {ticket['number']}, paper {text!r}")
    expect(paper["cut"], "the paper was not cut")
    return f"screen and paper both say {ticket['number']}"


async def qr_opens_position(world: World) -> str:
    """the QR code opens the live position | API and page show the same number, waiting."""
    paper = await last_paper(world, "ticket-1")
    url = str(paper["qr"][0])
    expect(url.startswith(f"{world.hall.plan.cloud_url}/t/"), f"QR code holds {url}")
    token = url.rsplit("/", 1)[1]
    position = await world.eventually(lambda: public_ticket(world, token), lambda seen: seen["state"] == "waiting")
    page = await world.page(f"/t/{token}")
    expect(position["number"] in "\n".join(paper["lines"]), f"paper and position differ: {position}")
    expect(position["number"] in page, f"{position['number']} is not on the page")
    return f"{position['number']} waiting, {position['people_ahead']} ahead"


async def touch_takes_next(world: World) -> str:
    """a ticket by touch at another machine | another number of the same service."""
    first = str((await world.observer_numbers())[-1])
    ticket = await world.take_ticket("kiosk-1", SERVICE)
    expect(ticket["number"] != first and ticket["number"][0] == first[0], f"{first} then {ticket['number']}")
    return f"{first} then {ticket['number']}"


async def double_tap(world: World) -> str:
    """a double tap on the screen | one ticket and one paper."""
    before = (await world.look("ticket-2", "printer"))["printed_total"]
    one, two = await asyncio.gather(
        world.take_ticket("ticket-2", SERVICE, visit="double-tap"),
        world.take_ticket("ticket-2", SERVICE, visit="double-tap"),
    )
    printed = (await world.look("ticket-2", "printer"))["printed_total"] - before
    expect(one["number"] == two["number"] and printed == 1, f"{one['number']}, {two['number']}, {printed} papers")
    return f"{one['number']} twice on the screen, {printed} paper"


async def counter_calls(world: World) -> str:
    """a clerk presses call-next | the oldest ticket is called to that counter."""
    first = (await world.observer_numbers())[0]
    await world.press(COUNTER_MACHINE, "caller", "press_key", key="call_next")
    token = world.observer.facts("ticket.issued")[0]["data"]["token"]
    position = await world.eventually(lambda: public_ticket(world, token), lambda seen: seen["state"] == "called")
    expect(position["counter"] == 1 and position["number"] == first, str(position))
    return f"{first} called to counter {position['counter']}"


async def display_shows(world: World) -> str:
    """the counter display | shows the called number."""
    first = (await world.observer_numbers())[0]
    shown = await world.eventually(
        lambda: world.look(COUNTER_MACHINE, "display"), lambda seen: seen.get("ticket") == first
    )
    return f"display shows {shown['ticket']}"


async def rating_arrives_once(world: World) -> str:
    """service ends and the citizen rates | the pad asks, grade 5 is stored once."""
    await world.press(COUNTER_MACHINE, "caller", "press_key", key="start")
    await world.press(COUNTER_MACHINE, "caller", "press_key", key="finish")
    await world.eventually(lambda: world.look(COUNTER_MACHINE, "pad"), lambda seen: seen.get("mode") == "ask_rating")
    await world.react()
    await world.press(COUNTER_MACHINE, "pad", "touch_grade", grade=5)
    ticket_id = world.observer.facts("ticket.issued")[0]["data"]["ticket_id"]
    ticket = await world.eventually(lambda: world.get(f"/api/v1/tickets/{ticket_id}"), lambda seen: seen["rating"])
    ratings = await stored(world, COUNTER_MACHINE, "evaluator.rated")
    expect(
        ticket["rating"] == 5 and ticket["state"] == "done" and len(ratings) == 1,
        f"{ticket}, {len(ratings)} facts",
    )
    return f"{ticket['number']} done, rated {ticket['rating']}, {len(ratings)} rating stored"


async def recall_and_no_show(world: World) -> str:
    """recall, then no-show | the ticket leaves the queue as no-show."""
    await world.press(COUNTER_MACHINE, "caller", "press_key", key="call_next")
    token = world.observer.facts("ticket.issued")[1]["data"]["token"]
    await world.eventually(lambda: public_ticket(world, token), lambda seen: seen["state"] == "called")
    await world.press(COUNTER_MACHINE, "caller", "press_key", key="recall")
    await world.press(COUNTER_MACHINE, "caller", "press_key", key="no_show")
    gone = await world.eventually(lambda: public_ticket(world, token), lambda seen: seen["state"] == "no_show")
    return f"{gone['number']} {gone['state']}"


async def last_paper(world: World, machine: str) -> dict[str, Any]:
    """The newest paper of a machine's printer."""
    papers = (await world.look(machine, "printer"))["papers"]
    expect(papers, f"{machine} printed nothing")
    paper: dict[str, Any] = papers[-1]
    return paper


async def public_ticket(world: World, token: str) -> dict[str, Any]:
    """The live position behind a token; state ``unknown`` while the cloud has not heard of it yet."""
    answer = await world.hall.http.get(f"{world.hall.plan.cloud_url}/api/v1/public/tickets/{token}")
    if answer.status_code == 404:
        return {"state": "unknown"}
    expect(answer.is_success, f"public ticket answered {answer.status_code}")
    position: dict[str, Any] = answer.json()
    return position


async def stored(world: World, machine: str, fact_type: str) -> list[dict[str, Any]]:
    """The facts of this type that the cloud has stored for a machine."""
    answer = await world.get(f"/api/v1/machines/{machine}/events", limit=200)
    found = [event for event in answer["items"] if event["type"] == fact_type]
    return [{**event, "id": f"{machine}/{event['epoch']}/{event['sequence']}"} for event in found]


PLAYS = [
    counters_open,
    swipe_takes_ticket,
    qr_opens_position,
    touch_takes_next,
    double_tap,
    counter_calls,
    display_shows,
    rating_arrives_once,
    recall_and_no_show,
]
