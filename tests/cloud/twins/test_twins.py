"""What is wanted of machines: versions, merges, and telling them."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.broker.embedded import EmbeddedBroker
from cloud.core.errors import Invalid
from cloud.core.facts import Fact
from cloud.twins.service import merge
from cloud.twins.store import read_twin
from device_profiles.messages.topics import Down, Topic, Up, machine_filter
from device_profiles.messages.twin import Twin
from tests.builders.facts import AT, Sender
from tests.cloud.house import House, machine, next_message, open_house

JSON = st.recursive(st.integers() | st.text(max_size=3), lambda below: st.dictionaries(st.sampled_from("abc"), below))
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON)


@pytest.fixture
async def house(tmp_path: Path, database_url: str) -> AsyncIterator[House]:
    async with open_house(tmp_path / "cloud", database_url=database_url, connect=False) as opened:
        yield opened


# RFC 7396, appendix A, the rows whose target and patch are objects.
@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_as_the_standard_says(target: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    assert merge(target, patch) == result


@given(OBJECTS, OBJECTS)
def test_a_patch_applied_twice_is_a_patch_applied_once(target: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(target, patch)
    assert merge(once, patch) == once


async def test_every_machine_is_told_where_tickets_lead_and_how_to_seal(house: House) -> None:
    answer = await house.get("/machines/kiosk-1/desired")
    values = answer.json()["values"]
    assert values["public_url"] == "http://hall"
    assert values["seal_key"] == house.cloud.keys.seal_public
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'


async def test_a_change_needs_the_present_version(house: House) -> None:
    url = "/api/v1/machines/kiosk-1/desired"
    etag = (await house.http.get(url)).headers["etag"]
    assert (await house.http.patch(url, json={"day": "2026-05-04"})).status_code == 428
    assert (await house.http.patch(url, json={"day": "x"}, headers={"If-Match": "3"})).status_code == 422
    changed = await house.http.patch(url, json={"day": "2026-05-04"}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["values"]["day"]) == (200, "2026-05-04")
    stale = await house.http.patch(url, json={"day": "2026-05-05"}, headers={"If-Match": etag})
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")


async def test_what_a_machine_would_not_understand_is_refused(house: House) -> None:
    url = "/api/v1/machines/kiosk-1/desired"
    etag = (await house.http.get(url)).headers["etag"]
    answer = await house.http.patch(url, json={"colour": "red"}, headers={"If-Match": etag})
    assert (answer.status_code, "colour" in answer.json()["detail"]) == (422, True)


async def test_named_values_are_replaced_and_the_same_again_keeps_the_version(house: House) -> None:
    offer = {"prefix": "A", "name_zh": "户籍", "name_en": "Household", "blocks": [[1, 50]]}
    twins, write = house.cloud.twins, house.cloud.db.write
    first = await write(lambda tx: twins.set_desired(tx, "kiosk-1", {"services": {"a": offer, "b": offer}}))
    second = await write(lambda tx: twins.set_desired(tx, "kiosk-1", {"services": {"b": offer}}))
    third = await write(lambda tx: twins.set_desired(tx, "kiosk-1", {"services": {"b": offer}}))
    assert list(second.values["services"]) == ["b"]
    assert (second.version, third.version) == (first.version + 1, second.version)
    with pytest.raises(Invalid, match="desired: "):
        await write(lambda tx: twins.set_desired(tx, "kiosk-1", {"services": 7}))


async def test_reported_keeps_the_highest_version_until_a_new_epoch(house: House) -> None:
    def report(version: int, text: str) -> Fact:
        return Fact("machine.reported", AT, {"version": version, "values": {"note": text}}, "kiosk-1", hall="demo-hall")

    presence = json.loads(Sender("kiosk-1", epoch=1).presence()[1])
    announced = Fact("machine.announced", AT, presence, "kiosk-1", hall="demo-hall")
    write = house.cloud.db.write
    for fact in (announced, report(5, "five"), report(4, "four")):
        await write(lambda tx, fact=fact: tx.publish(fact))  # type: ignore[misc]
    assert (await house.get("/machines/kiosk-1/reported")).json()["values"] == {"note": "five"}
    renewed = replace(announced, data={**presence, "epoch": 2})
    for fact in (renewed, report(1, "one")):
        await write(lambda tx, fact=fact: tx.publish(fact))  # type: ignore[misc]
    twin = await house.cloud.db.read(lambda conn: read_twin(conn, "kiosk-1"))
    assert (twin["reported"], twin["reported_version"]) == ({"note": "one"}, 1)


async def test_machines_are_told_after_a_change_and_when_what_they_hold_is_not_ours(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    url, topic = embedded_broker.url, str(Topic("kiosk-1", Down.DESIRED))
    async with open_house(tmp_path / "cloud", broker=url) as house, machine(url, "kiosk-1") as client:
        await client.subscribe(machine_filter("kiosk-1"), qos=1)
        etag = (await house.get("/machines/kiosk-1/desired")).headers["etag"]
        headers = {"If-Match": etag}
        answer = await house.http.patch("/api/v1/machines/kiosk-1/desired", json={"day": "2027-01-01"}, headers=headers)
        version = answer.json()["version"]
        while json.loads((await next_message(client, topic)).payload)["version"] < version:
            pass
        held = {"desired_version": version - 1, "desired": {"day": "000000000000", "gone": "111111111111"}}
        behind = Twin(version=1, values={"agent": held}).to_bytes()
        await client.publish(str(Topic("kiosk-1", Up.REPORTED)), behind, qos=1)
        missing = Twin.from_bytes((await next_message(client, topic)).payload)
        assert (missing.version, missing.base, missing.values["gone"]) == (version, version - 1, None)
        assert missing.values["day"] == "2027-01-01"
        held = {"desired_version": version + 5, "desired": {}}
        ahead = Twin(version=2, values={"agent": held}).to_bytes()
        await client.publish(str(Topic("kiosk-1", Up.REPORTED)), ahead, qos=1)
        ours = Twin.from_bytes((await next_message(client, topic)).payload)
        assert (ours.version, ours.base, ours.values["day"]) == (version + 6, None, "2027-01-01")
