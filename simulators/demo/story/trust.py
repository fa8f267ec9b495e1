"""Scenes of trust: garbage harms nothing, nothing is missing, nobody's identity is anywhere."""

from device_profiles.messages.topics import Topic, Up
from simulators.demo.story.devices import counted
from simulators.demo.story.world import World, expect


async def garbage_is_quarantined(world: World) -> str:
    """garbage and a foreign machine's event on the broker | counted in quarantine, the cloud goes on."""
    before = await counted(world, "hallfleet_ingest_quarantined_total")
    forged = world.observer.message_with(world.observer.facts("ticket.issued")[0]["id"])[1]
    await world.observer.publish(str(Topic("ticket-1", Up.EVENT)), b"\xff{not json")
    await world.observer.publish(str(Topic("counter-1", Up.EVENT)), forged)
    await world.observer.publish("hallfleet/v1/00/nobody/up/event/agent", b"{}")
    after = await world.eventually(
        lambda: counted(world, "hallfleet_ingest_quarantined_total"), lambda seen: seen >= before + 3
    )
    expect(await world.hall.cloud_ready(), "the cloud is no longer ready")
    return f"{after - before:.0f} more in quarantine, cloud ready"


async def nothing_missing(world: World) -> str:
    """the ledger of every machine | no sequence is missing."""
    missing, received = 0, 0
    for machine in world.hall.plan.hall.machines:
        for epoch in (await world.get(f"/api/v1/machines/{machine.id}/ledger"))["epochs"]:
            missing += epoch["missing"]
            received += sum(day["received"] for day in epoch["days"])
    expect(missing == 0 and received > 0, f"{received} received, {missing} missing")
    return f"{received} received, 0 missing"


async def no_identity_anywhere(world: World) -> str:
    """identity numbers and names of everybody who came | in no topic, message, log or page."""
    secrets = await secret_words(world)
    pages = [await world.page(path) for path in (f"/halls/{world.hall.plan.hall.id}", "/crew", "/metrics")]
    pages += [
        str(await world.get("/api/v1/alerts")),
        str(await world.get(f"/api/v1/halls/{world.hall.plan.hall.id}/live")),
    ]
    wire = "\n".join(topic + payload.decode(errors="replace") for topic, payload in world.observer.messages)
    logs = world.logs()
    places = {"messages": wire, "pages": "\n".join(pages), **logs}
    found = [f"{word[:4]}… in {place}" for place, text in places.items() for word in secrets if word in text]
    expect(not found, f"found {found[:5]}")
    return f"{len(secrets)} words looked for in {len(places)} places, none found"


async def secret_words(world: World) -> list[str]:
    """What must never leave a machine: numbers and names of the simulated people."""
    kept = ("id_number", "permit_number", "name", "payment_code")
    return [str(person[key]) for person in (await world.people()).values() for key in kept]


PLAYS = [garbage_is_quarantined, nothing_missing, no_identity_anywhere]
