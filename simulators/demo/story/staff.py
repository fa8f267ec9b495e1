"""Scenes of staff: a proposal under pressure, and what its acceptance changes."""

from typing import Any

from simulators.demo.story.tickets import public_ticket
from simulators.demo.story.world import World, expect

PRESSED = "exit-entry"
PEOPLE = 16


async def pressure_brings_proposal(world: World) -> str:
    """many wait for one service while another counter is idle | a proposal to move one clerk, with its reason."""
    for _ in range(PEOPLE):
        await world.take_ticket("kiosk-1", PRESSED)
    proposal = (await world.eventually(lambda: proposals(world), bool, limit_s=15.0))[0]
    expect(proposal["reason_en"] and proposal["reason_zh"], str(proposal))
    return str(proposal["reason_en"])


async def acceptance_changes_queue(world: World) -> str:
    """the proposal is accepted | the moved counter calls from the pressed queue."""
    proposal = (await proposals(world))[0]
    await world.post(f"/api/v1/dispatch/{proposal['id']}/accept")
    counter = next(each for each in world.hall.plan.hall.counters if each.id == proposal["counter"])
    oldest = await oldest_waiting(world)
    await world.press(counter.machine, "caller", "press_key", key="call_next")
    seen = await world.eventually(lambda: public_ticket(world, oldest["token"]), lambda now: now["state"] == "called")
    expect(seen["counter"] == counter.number, f"called to counter {seen['counter']}")
    return f"{seen['number']} called to counter {counter.number}, which was idle before"


async def manager_page_shows_it(world: World) -> str:
    """the manager's page | shows queue, counters, machines, alerts and proposals."""
    hall = world.hall.plan.hall
    page = await world.page(f"/halls/{hall.id}")
    missing = [
        name for name in (*(s.name_en for s in hall.services), *(m.id for m in hall.machines)) if name not in page
    ]
    expect(not missing, f"not on the page: {missing}")
    return f"{len(hall.services)} services and {len(hall.machines)} machines on the page"


async def proposals(world: World) -> list[dict[str, Any]]:
    """The open proposals for the pressed service."""
    answer = await world.get(f"/api/v1/halls/{world.hall.plan.hall.id}/dispatch")
    return [each for each in answer["items"] if each["state"] == "open" and each["to_service"] == PRESSED]


async def oldest_waiting(world: World) -> dict[str, Any]:
    """The ticket of the pressed service that has waited longest."""
    for fact in world.observer.facts("ticket.issued"):
        ticket: dict[str, Any] = fact["data"]
        if ticket["service"] == PRESSED and (await public_ticket(world, ticket["token"]))["state"] == "waiting":
            return ticket
    raise LookupError(f"nobody waits for {PRESSED}")


PLAYS = [pressure_brings_proposal, acceptance_changes_queue, manager_page_shows_it]
