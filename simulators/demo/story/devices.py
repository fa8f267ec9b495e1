"""Scenes of the machines: a fault, an unplugged reader, an uplink that is cut, an agent that is killed."""

from typing import Any

import httpx

from simulators.demo.story.tickets import SERVICE, public_ticket, stored
from simulators.demo.story.world import World, expect

PAPER_MACHINE, READER_MACHINE, CUT_MACHINE = "ticket-1", "kiosk-1", "ticket-2"


async def paper_out_opens_alert(world: World) -> str:
    """the paper ends | one open alert with the XFS code and who must act."""
    await world.press(PAPER_MACHINE, "printer", "paper_out")
    alert = (await world.eventually(lambda: open_alerts(world, PAPER_MACHINE, "paper"), bool))[0]
    expect(alert["code"] == "paper_out" and alert["action"] == "clear", str(alert))
    return f"{alert['code']}, to act: {alert['who']}"


async def crew_sees_alert(world: World) -> str:
    """the crew page | shows the machine and the fault."""
    page = await world.page("/crew")
    expect(PAPER_MACHINE in page and "paper_out" in page, "fault is not on the page")
    return f"{PAPER_MACHINE} paper_out on /crew"


async def no_paper_gives_screen_ticket(world: World) -> str:
    """a ticket without paper | number and QR code on the screen, no ghost paper."""
    before = (await world.look(PAPER_MACHINE, "printer"))["printed_total"]
    ticket = await world.take_ticket(PAPER_MACHINE, SERVICE)
    printed = (await world.look(PAPER_MACHINE, "printer"))["printed_total"] - before
    expect(ticket["medium"] == "screen" and printed == 0, f"medium {ticket['medium']}, {printed} papers")
    await world.eventually(lambda: public_ticket(world, ticket["token"]), lambda seen: seen["state"] == "waiting")
    return f"{ticket['number']} on the screen, 0 papers"


async def paper_back_closes_alert(world: World) -> str:
    """paper is loaded | the alert closes on the device's own evidence."""
    await world.press(PAPER_MACHINE, "printer", "load_paper")
    await world.eventually(lambda: open_alerts(world, PAPER_MACHINE, "paper"), lambda seen: not seen)
    closed = await alerts(world, PAPER_MACHINE, "closed")
    expect(closed and closed[0]["evidence"], f"closed alerts: {closed}")
    return f"closed by fact {closed[0]['evidence']}"


async def unplugged_reader_noticed(world: World) -> str:
    """an ID reader is unplugged | the slot is no longer online and an alert is open."""
    await world.cable(READER_MACHINE, "id_reader", "unplug")
    device = await world.eventually(lambda: device_state(world), lambda seen: seen != "online")
    alert = (await world.eventually(lambda: open_alerts(world, READER_MACHINE, "device"), bool))[0]
    return f"slot {device}, alert {alert['code']}"


async def reader_comes_back(world: World) -> str:
    """it is plugged in again | online, the alert closed, a card can be read."""
    await world.cable(READER_MACHINE, "id_reader", "plug")
    await world.eventually(lambda: device_state(world), lambda seen: seen == "online")
    await world.eventually(lambda: open_alerts(world, READER_MACHINE, "device"), lambda seen: not seen)
    ticket = await world.take_ticket(READER_MACHINE, SERVICE, card_of="p002")
    return f"online again, {ticket['number']} by card"


async def link_cut_loses_nothing(world: World) -> str:
    """the uplink is cut, tickets are taken, the agent is killed and restarted | all arrive once when it is back."""
    hall, numbers = world.hall, []
    hall.cuts[CUT_MACHINE].cut()
    for _ in range(3):
        numbers.append((await world.take_ticket(CUT_MACHINE, SERVICE))["number"])
    await hall.supervisor.kill(CUT_MACHINE)
    await hall.supervisor.restart(CUT_MACHINE)
    await hall.wait_for(lambda: screen_up(world), f"the screen of {CUT_MACHINE} is back")
    numbers.append((await world.take_ticket(CUT_MACHINE, SERVICE))["number"])
    known = await stored_numbers(world)
    expect(not set(numbers) & set(known), f"{numbers} arrived although the link was cut")
    hall.cuts[CUT_MACHINE].mend()
    arrived = await world.eventually(
        lambda: stored_numbers(world), lambda seen: set(numbers) <= set(seen), limit_s=30.0
    )
    once = [number for number in numbers if arrived.count(number) == 1]
    expect(once == numbers and len(set(numbers)) == 4, f"took {numbers}, stored {arrived}")
    return f"{len(once)} of {len(numbers)} tickets arrived once: {', '.join(numbers)}"


async def repeated_fact_counts_once(world: World) -> str:
    """a fact is delivered twice | it is stored once."""
    fact = world.observer.facts("evaluator.rated")[0]
    topic, payload = world.observer.message_with(fact["id"])
    before = await counted(world, "hallfleet_ingest_duplicates_total")
    await world.observer.publish(topic, payload)
    await world.eventually(lambda: counted(world, "hallfleet_ingest_duplicates_total"), lambda seen: seen > before)
    machine = fact["source"].split("/")[2]
    same = [event for event in await stored(world, machine, "evaluator.rated") if event["id"] == fact["id"]]
    expect(len(same) == 1, f"stored {len(same)} times")
    return "seen twice on the wire, stored once"


async def open_alerts(world: World, machine: str, field: str) -> list[dict[str, Any]]:
    """The open alerts of a machine about one status field."""
    return [alert for alert in await alerts(world, machine, "open") if alert["field"] == field]


async def alerts(world: World, machine: str, state: str) -> list[dict[str, Any]]:
    """The alerts of a machine in one state, newest first."""
    items: list[dict[str, Any]] = (await world.get("/api/v1/alerts", machine=machine, state=state))["items"]
    return items


async def device_state(world: World) -> str:
    """The cloud's view of the reader that the story unplugs."""
    machine = (await world.hall.machines())[READER_MACHINE]
    return next(str(slot["device"]) for slot in machine["slots"] if slot["slot"] == "id_reader")


async def stored_numbers(world: World) -> list[str]:
    """Numbers of the tickets that the cloud has stored from the machine whose uplink is cut, repeats included."""
    return [event["data"]["number"] for event in await stored(world, CUT_MACHINE, "ticket.issued")]


async def screen_up(world: World) -> bool:
    """Whether the screen of the machine that was killed serves again."""
    try:
        url = f"{world.hall.plan.screen_url(CUT_MACHINE)}/api/state"
        return (await world.hall.http.get(url)).is_success
    except httpx.TransportError:
        return False


async def counted(world: World, metric: str) -> float:
    """A counter of the cloud's metrics page, summed over its labels."""
    lines = (await world.page("/metrics")).splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(metric))


PLAYS = [
    paper_out_opens_alert,
    crew_sees_alert,
    no_paper_gives_screen_ticket,
    paper_back_closes_alert,
    unplugged_reader_noticed,
    reader_comes_back,
    link_cut_loses_nothing,
    repeated_fact_counts_once,
]
