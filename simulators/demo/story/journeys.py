"""Scenes of the journeys: endorsement and renewal end with card, money and paper accounted for."""

from typing import Any

from simulators.demo.plan import CLOUD
from simulators.demo.run import is_well
from simulators.demo.story.world import World, expect

ENDORSE, RENEW = "endorse-1", "renew-1"


async def endorsement(world: World) -> str:
    """an endorsement | card printed and returned, one payment, one receipt."""
    session = await start(world, ENDORSE, "hk-macao-endorsement")
    before = await balance_outside(world, ENDORSE)
    await play_endorsement(world, "p003")
    case = await ended(world, session)
    after = await balance_outside(world, ENDORSE)
    expect(case["state"] == "done", f"case ended as {case['state']}")
    expect(difference(before, after) == {"cards": 1, "papers": 1, "paid": 1}, f"before {before}, after {after}")
    expect(after["card_in_machine"] is False, "the card is still in the machine")
    return f"{case['state']}; 1 card printed and returned, 1 payment, 1 receipt"


async def endorsement_survives_cloud_kill(world: World) -> str:
    """the cloud is killed while a citizen pays | the case ends, nothing is printed or charged twice."""
    session = await start(world, ENDORSE, "hk-macao-endorsement")
    before = await balance_outside(world, ENDORSE)
    await play_endorsement(world, "p004", kill_cloud_before_payment=True)
    case = await ended(world, session)
    after = await balance_outside(world, ENDORSE)
    expect(case["state"] == "done", f"case ended as {case['state']}")
    expect(difference(before, after) == {"cards": 1, "papers": 1, "paid": 1}, f"before {before}, after {after}")
    return "killed with -9 and restarted; 1 card, 1 payment, 1 receipt"


async def declined_payment_returns_card(world: World) -> str:
    """a payment code is used again | declined, the card comes back unprinted, no money moves."""
    session = await start(world, ENDORSE, "hk-macao-endorsement")
    before = await balance_outside(world, ENDORSE)
    await play_endorsement(world, "p005", payment_code_of="p003")
    case = await ended(world, session)
    after = await balance_outside(world, ENDORSE)
    moved = difference(before, after)
    expect(moved["cards"] == 0 and moved["paid"] == 0 and not after["card_in_machine"], f"{before}, {after}")
    return f"{case['state']}; card returned, nothing printed, nothing charged"


async def renewal(world: World) -> str:
    """an ID card renewal | registered once, one payment, one slip."""
    session = await start(world, RENEW, "id-card-renewal")
    before = await balance_outside(world, RENEW)
    await choose(world, RENEW)
    await world.press(RENEW, "id_reader", "insert_card", person="p006")
    await wait_for_command(world, session, "enrol")
    await world.press(RENEW, "id_reader", "remove_card")
    await world.press(RENEW, "fingerprint", "present_finger", person="p006")
    await wait_for_command(world, session, "read", slot="scanner")
    await world.press(RENEW, "fingerprint", "lift_finger")
    await world.press(RENEW, "scanner", "present_code", text="PH20260000000001")
    await choose(world, RENEW)
    await wait_for_command(world, session, "read", slot="scanner", nth=2)
    await pay(world, RENEW, "p006")
    case = await ended(world, session)
    after = await balance_outside(world, RENEW)
    expect(case["state"] == "done", f"case ended as {case['state']}")
    expect(difference(before, after) == {"cards": 0, "papers": 1, "paid": 1}, f"before {before}, after {after}")
    return f"{case['state']}; 1 payment, 1 slip"


async def start(world: World, machine: str, item: str) -> str:
    """Choose a journey on a machine's screen; returns the session, which is the case's id too."""
    await world.eventually(world.hall.machines, lambda seen: machine in seen and is_well(seen[machine]), limit_s=15.0)
    await world.eventually(lambda: world.screen(machine), lambda seen: seen["view"]["kind"] == "idle", limit_s=15.0)
    answer = await world.touch(machine, "/api/sessions", {"item": item})
    session: str = answer["session_id"]
    world.sessions[machine] = session
    return session


async def play_endorsement(
    world: World,
    person: str,
    *,
    machine: str = ENDORSE,
    payment_code_of: str = "",
    kill_cloud_before_payment: bool = False,
) -> None:
    """Everything that a citizen does at the endorsement machine, in the order in which the machine asks."""
    session = world.sessions[machine]
    await wait_for_command(world, session, "accept")
    await world.press(machine, "card_unit", "insert_card", person=person)
    await wait_for_command(world, session, "read", slot="id_reader")
    await world.press(machine, "id_reader", "insert_card", person=person)
    await wait_for_command(world, session, "identify")
    await world.press(machine, "id_reader", "remove_card")
    await world.press(machine, "fingerprint", "present_finger", person=person)
    await choose(world, machine)
    await world.press(machine, "fingerprint", "lift_finger")
    await wait_for_command(world, session, "read", slot="scanner")
    if kill_cloud_before_payment:
        await world.hall.supervisor.kill(CLOUD)
    await pay(world, machine, payment_code_of or person)
    if kill_cloud_before_payment:
        await world.hall.supervisor.restart(CLOUD)
        await world.hall.wait_for(world.hall.cloud_ready, "the cloud is back")
    await world.eventually(
        lambda: world.look(machine, "card_unit"), lambda seen: seen["position"] == "gate", limit_s=20.0
    )
    await world.press(machine, "card_unit", "take_card")


async def wait_for_command(world: World, session: str, name: str, *, slot: str = "", nth: int = 1) -> None:
    """Wait until the cloud has sent the ``nth`` command of this name in this journey, as the broker shows it."""

    async def sent() -> int:
        return world.observer.commands(session, name, slot)

    await world.eventually(sent, lambda count: count >= nth, limit_s=15.0)


async def choose(world: World, machine: str) -> None:
    """Touch the first option when the screen asks."""
    state = await world.eventually(
        lambda: world.screen(machine), lambda seen: seen["view"]["kind"] == "question", limit_s=15.0
    )
    await world.touch(machine, "/api/answer", {"option": state["view"]["options"][0]["id"]})


async def pay(world: World, machine: str, person: str) -> None:
    """Hold a person's payment code before the scanner."""
    people = await world.people()
    await world.press(machine, "scanner", "present_code", text=people[person]["payment_code"])


async def ended(world: World, session: str) -> dict[str, Any]:
    """The case once it has ended."""
    case: dict[str, Any] = await world.eventually(
        lambda: world.get(f"/api/v1/cases/{session}"), lambda seen: seen["ended"], limit_s=30.0
    )
    return case


async def balance_outside(world: World, machine: str) -> dict[str, Any]:
    """Cards printed, papers printed and payments standing, counted at the devices and at the gateway."""
    papers = (await world.look(machine, "printer"))["printed_total"]
    paid = sum(1 for entry in (await world.ledger())["payments"] if entry["state"] == "authorised")
    if not has_card_unit(world, machine):
        return {"cards": 0, "papers": papers, "paid": paid, "card_in_machine": False}
    cards = (await world.look(machine, "card_printer"))["printed_total"]
    position = (await world.look(machine, "card_unit"))["position"]
    return {"cards": cards, "papers": papers, "paid": paid, "card_in_machine": position != "none"}


def has_card_unit(world: World, machine: str) -> bool:
    """Whether this is an endorsement machine."""
    return any(each.id == machine and each.profile == "endorsement-machine" for each in world.hall.plan.hall.machines)


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, int]:
    """What a journey added."""
    return {key: after[key] - before[key] for key in ("cards", "papers", "paid")}


PLAYS = [endorsement, endorsement_survives_cloud_kill, renewal, declined_payment_returns_card]
