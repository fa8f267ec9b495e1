"""Who is there and how their slots are, through ingest's facts and the HTTP interface."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from cloud.fleet.states import TRANSITIONS, MachineState
from cloud.ingest.pipeline import ingest
from cloud.ingest.reading import read_message
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.topics import Up
from device_profiles.messages.twin import Twin
from tests.builders.facts import AT, Sender
from tests.cloud.house import House, open_house


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with open_house(tmp_path / "cloud", database_url=database_url, connect=False) as opened:
        yield opened


async def take(house: House, *messages: tuple[str, bytes]) -> None:
    items = [item for message in messages for item in read_message(*message, house.cloud.register)]
    await house.cloud.db.write(partial(ingest, items=items, now=house.cloud.clock.now()))


async def state(house: House, machine: str) -> str:
    return str((await house.get(f"/machines/{machine}")).json()["state"])


def reported(machine: str, **slots: dict[str, str]) -> tuple[str, bytes]:
    return Sender(machine).topic(Up.REPORTED), Twin(version=1, values=slots).to_bytes()


def test_every_state_of_a_machine_can_be_reached_and_left_but_the_first() -> None:
    reachable = {state for states in TRANSITIONS.values() for state in states}
    assert reachable == set(MachineState) - {MachineState.NEVER_SEEN}
    assert all(TRANSITIONS[state] for state in MachineState)


async def test_presence_comes_and_goes(house: House) -> None:
    kiosk = Sender("kiosk-1")
    assert await state(house, "kiosk-1") == "never_seen"
    await take(house, kiosk.presence())
    assert await state(house, "kiosk-1") == "online"
    await take(house, kiosk.presence("offline"))
    assert await state(house, "kiosk-1") == "offline"
    halls = (await house.get("/halls")).json()["items"]
    assert (halls[0]["machines"], halls[0]["online"]) == (12, 0)


async def test_the_last_will_of_an_earlier_agent_is_ignored(house: House) -> None:
    old, later = Sender("kiosk-1"), AT + timedelta(minutes=1)
    await take(house, old.presence(), old.presence(since=later), old.presence("offline"))
    assert await state(house, "kiosk-1") == "online"


async def test_coming_and_going_is_told_once(house: House) -> None:
    told: list[str] = []
    house.cloud.bus.on("machine.*line", lambda tx, fact: told.append(f"{fact.hall}:{fact.type}"))
    kiosk = Sender("kiosk-1")
    await take(house, kiosk.presence(), kiosk.presence(), kiosk.presence("offline"), kiosk.presence("offline"))
    assert told == ["demo-hall:machine.online", "demo-hall:machine.offline"]


async def test_a_status_change_sets_and_clears_a_fault(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await take(house, kiosk.presence(), kiosk.status("printer", "printer", "device", "hardware_error"))
    slots = {slot["slot"]: slot for slot in (await house.get("/machines/kiosk-1")).json()["slots"]}
    assert slots["printer"]["faults"] == [{"field": "device", "code": "hardware_error", "action": "maintenance"}]
    summary = (await house.get("/machines", state="online")).json()["items"]
    assert [(item["id"], item["faults"]) for item in summary] == [("kiosk-1", 1)]
    await take(house, kiosk.status("printer", "printer", "device", "online"))
    slots = {slot["slot"]: slot for slot in (await house.get("/machines/kiosk-1")).json()["slots"]}
    assert (slots["printer"]["faults"], slots["printer"]["status"]) == ([], {"device": "online"})


async def test_what_was_reported_replaces_what_was_missed(house: House) -> None:
    await take(house, Sender("kiosk-1").status("printer", "printer", "device", "hardware_error"))
    await take(house, reported("kiosk-1", printer={"device": "online"}, cellar={"device": "online"}))
    slots = {slot["slot"]: slot for slot in (await house.get("/machines/kiosk-1")).json()["slots"]}
    assert slots["printer"]["status"] == {"device": "online"}
    assert "cellar" not in slots


async def test_late_news_does_not_overwrite_the_present(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await take(house, reported("kiosk-1", printer={"device": "online"}))
    late = kiosk.envelope("printer.device_offline", {"field": "device", "value": "offline"}, slot="printer")
    await take(house, kiosk.batch(late.as_historical()))
    slots = {slot["slot"]: slot for slot in (await house.get("/machines/kiosk-1")).json()["slots"]}
    assert slots["printer"]["status"] == {"device": "online"}


async def test_inventory_tells_whether_the_profile_is_the_catalogues(house: House) -> None:
    digest = house.cloud.register.machine("kiosk-1").digest
    for shown, matches in ((digest, True), ("0" * 64, False)):
        body = Inventory(machine_profile="kiosk", digest=shown, slots={}).to_bytes()
        await take(house, (Sender("kiosk-1").topic(Up.INVENTORY), body))
        view = (await house.get("/machines/kiosk-1")).json()
        assert (view["profile_matches"], view["state"]) == (matches, "never_seen")


async def test_machines_come_in_pages_and_by_kind(house: House) -> None:
    first = (await house.get("/machines", limit=6)).json()
    second = (await house.get("/machines", limit=6, cursor=first["next"])).json()
    assert [item["id"] for item in first["items"] + second["items"]] == sorted(house.cloud.register.machines)
    assert second["next"] is None
    pads = (await house.get("/machines", kind="counter_set", hall="demo-hall")).json()["items"]
    assert len(pads) == 6


async def test_events_come_in_pages_newest_first(house: House) -> None:
    kiosk = Sender("kiosk-1")
    await take(house, *(kiosk.event("agent.noted", {"n": number}) for number in range(5)))
    first = (await house.get("/machines/kiosk-1/events", limit=3)).json()
    second = (await house.get("/machines/kiosk-1/events", limit=3, cursor=first["next"])).json()
    assert [item["data"]["n"] for item in first["items"] + second["items"]] == [4, 3, 2, 1, 0]
    assert (await house.get("/machines/kiosk-1/events", cursor="x")).status_code == 422


@pytest.mark.parametrize(
    "path",
    ["/halls/nowhere", "/machines/nobody", "/machines/nobody/events", "/machines/nobody/ledger", "/machines?hall=x"],
)
async def test_what_is_not_there_is_said_plainly(house: House, path: str) -> None:
    answer = await house.http.get(f"/api/v1{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
