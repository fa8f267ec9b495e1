"""Scenes of the other peripherals: every model is mounted, each kind does its work, and its faults are told."""

import asyncio
import time
from typing import Any

from device_profiles.catalog import load_catalog
from simulators.demo.story.devices import alerts, open_alerts
from simulators.demo.story.world import World, expect

KIOSK, CARDS, TICKETS, RENEW, ENDORSE = "kiosk-1", "kiosk-2", "ticket-1", "renew-1", "endorse-1"
AMOUNT = 2500  # fen


async def every_model_is_on_line(world: World) -> str:
    """every model of the catalogue | mounted somewhere in the hall and on line."""
    catalog = load_catalog()
    placed = {
        (machine.id, slot): mounted.peripheral
        for machine in world.hall.plan.hall.machines
        for slot, mounted in catalog.machine(machine.profile).slots.items()
    }
    missing = sorted(set(catalog.peripherals) - set(placed.values()))
    expect(not missing, f"not mounted: {', '.join(missing)}")

    async def away() -> list[str]:
        machines = await world.hall.machines()
        told = {(name, slot["slot"]): slot["device"] for name, seen in machines.items() for slot in seen["slots"]}
        return [f"{at[0]}/{at[1]} {told.get(at, 'unknown')}" for at in placed if told.get(at) != "online"]

    await world.eventually(away, lambda seen: not seen)
    return f"{len(catalog.peripherals)} models in {len(placed)} slots on line"


async def terminal_takes_money_once(world: World) -> str:
    """a card is paid with at the terminal | approved once, the card's number is masked."""
    before = (await world.look(KIOSK, "payment"))["booked_minor"]
    command = await ask(world, KIOSK, "payment", "pay", amount_minor=AMOUNT)
    await world.eventually(lambda: world.look(KIOSK, "payment"), lambda seen: seen["waits_for_card"])
    await world.press(KIOSK, "payment", "present_card")
    output = await outcome(world, command)
    booked = (await world.look(KIOSK, "payment"))["booked_minor"] - before
    expect(output["outcome"] == "approved" and booked == AMOUNT, f"{output}, {booked} booked")
    expect(sum(map(str.isdigit, output["card"])) <= 4, "the card's number is not masked")
    return f"approved, receipt {output['receipt']}, card {output['card']}"


async def card_is_dispensed(world: World) -> str:
    """a card is given out and taken | one card less, taken is told where the dispenser can see it."""
    seen = []
    for machine in (CARDS, RENEW):
        command = await ask(world, machine, "cards", "dispense", wait_taken_s=20)
        await asyncio.sleep(2.0)  # the way of the card to the mouth
        await world.press(machine, "cards", "take_card")
        output = await outcome(world, command)
        seen.append(f"{machine} taken: {output.get('taken', 'not seen')}")
    return ", ".join(seen)


async def lights_and_camera_obey(world: World) -> str:
    """a guide light is lit, a picture is taken | the light shines, the picture leaves the machine sealed only."""
    await outcome(world, await ask(world, TICKETS, "lights", "set", light="printer", flash="quick"))
    lit = [name for name, lamp in (await world.look(TICKETS, "lights"))["lights"].items() if lamp["lit"]]
    output = await outcome(world, await ask(world, KIOSK, "camera", "take_picture"))
    expect(lit == ["printer"], f"lit: {lit}")
    expect("sealed" in output and "image" not in output, f"output has {sorted(output)}")
    await outcome(world, await ask(world, TICKETS, "lights", "all_off"))
    return f"light at the printer, {output['width']} x {output['height']} picture sealed"


async def power_and_doors_are_told(world: World) -> str:
    """the mains fail at two machines, a cabinet is opened | an alert for each, closed by the device's own words."""
    faults = [
        (KIOSK, "power", "mains_fail", "mains_back", "supply"),
        (ENDORSE, "power", "mains_fail", "mains_back", "supply"),
        (KIOSK, "door", "open_door", "close_door", "cabinet"),
        (ENDORSE, "door", "cut_wire", "mend_wire", "tamper"),
    ]
    told = []
    for machine, slot, press, _, field in faults:
        await world.press(machine, slot, press)
        alert = (await world.eventually(_open(world, machine, field), bool, limit_s=12.0))[0]
        told.append(str(alert["code"]))
    for machine, slot, _, clear, field in faults:
        await world.press(machine, slot, clear)
        await world.eventually(_open(world, machine, field), lambda seen: not seen, limit_s=12.0)
        expect((await alerts(world, machine, "closed"))[0]["evidence"], "closed without evidence")
    return ", ".join(told)


async def climate_is_measured(world: World) -> str:
    """it gets warm in the kiosk | the reading is right, an alert opens and closes."""
    await world.press(KIOSK, "climate", "set_temperature", celsius=48.5)
    alert = (await world.eventually(_open(world, KIOSK, "temperature"), bool, limit_s=12.0))[0]
    reading = await outcome(world, await ask(world, KIOSK, "climate", "read"))
    expect(reading["temperature_c"] == 48.5, str(reading))
    await world.press(KIOSK, "climate", "set_temperature", celsius=24.0)
    await world.eventually(_open(world, KIOSK, "temperature"), lambda seen: not seen, limit_s=12.0)
    await world.press(TICKETS, "people", "people_in", count=3)
    people = await outcome(world, await ask(world, TICKETS, "people", "read"))
    expect(people["entered_total"] >= 3, str(people))
    return f"{reading['temperature_c']} C, {alert['code']}; {people['entered_total']} people came in"


async def ask(world: World, machine: str, slot: str, name: str, **args: object) -> str:
    """Send a command; its id."""
    body = {"slot": slot, "name": name, "args": args}
    answer: dict[str, Any] = await world.post(f"/api/v1/machines/{machine}/commands", body, f"p-{time.monotonic_ns()}")
    return str(answer["id"])


async def outcome(world: World, command: str) -> dict[str, Any]:
    """The output of a command that must succeed."""
    settled: dict[str, Any] = await world.eventually(
        lambda: world.get(f"/api/v1/commands/{command}"), lambda seen: seen["settled_at"], limit_s=30.0
    )
    expect(settled["state"] == "succeeded", f"{settled['name']}: {settled['state']} {settled['error']}")
    return dict(settled["output"] or {})


def _open(world: World, machine: str, field: str) -> Any:
    return lambda: open_alerts(world, machine, field)


PLAYS = [
    every_model_is_on_line,
    terminal_takes_money_once,
    card_is_dispensed,
    lights_and_camera_obey,
    power_and_doors_are_told,
    climate_is_measured,
]
