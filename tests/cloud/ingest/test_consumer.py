"""From a machine's MQTT connection to the store and back, on both brokers and both databases."""

import asyncio
import json
from pathlib import Path

import pytest

from cloud.core.errors import Invalid, Unavailable
from cloud.ingest.consumer import MESSAGES
from cloud.ingest.link import BrokerAddress
from device_profiles.messages.topics import CLOUD_PRESENCE, Down, Topic, machine_filter
from tests.builders.facts import Sender
from tests.cloud.house import House, eventually, machine, next_message, open_house
from tests.conftest import require
from tests.servers import mosquitto as mosquitto_server


def down(machine_id: str, verb: Down, slot: str = "agent") -> str:
    return str(Topic(machine_id, verb, slot))


async def count_events(house: House) -> int:
    return len((await house.get("/machines/kiosk-1/events")).json()["items"])


async def test_facts_are_acknowledged_after_the_commit(broker_url: str, database_url: str, tmp_path: Path) -> None:
    kiosk = Sender("kiosk-1")
    async with (
        open_house(tmp_path / "cloud", broker=broker_url, database_url=database_url) as house,
        machine(broker_url, "kiosk-1") as client,
    ):
        await client.subscribe(machine_filter("kiosk-1"), qos=1)
        for _ in range(20):
            await client.publish(*kiosk.event("agent.noted"), qos=1)
        acknowledged = 0
        while acknowledged < 20:
            ack = json.loads((await next_message(client, down("kiosk-1", Down.ACK))).payload)
            assert ack["epoch"] == 1
            assert await count_events(house) >= ack["sequence"] > acknowledged
            acknowledged = ack["sequence"]
        ledger = (await house.get("/machines/kiosk-1/ledger")).json()
        assert (ledger["epochs"][0]["complete_to"], ledger["epochs"][0]["missing"]) == (20, 0)


async def test_a_gap_is_asked_for_and_what_is_left_of_it_too_though_the_machine_is_silent(
    broker_url: str, tmp_path: Path
) -> None:
    kiosk = Sender("kiosk-1")
    messages = [kiosk.event("agent.noted") for _ in range(4)]
    async with (
        open_house(tmp_path / "cloud", broker=broker_url) as house,
        machine(broker_url, "kiosk-1") as client,
    ):
        await client.subscribe(machine_filter("kiosk-1"), qos=1)
        await client.publish(*messages[0], qos=1)
        await client.publish(*messages[3], qos=1)
        asked = await next_message(client, down("kiosk-1", Down.REPLAY))
        assert json.loads(asked.payload) == {"epoch": 1, "from": 2, "to": 3}
        await client.publish(*messages[1], qos=1)  # the hole fills: the rest is asked for only when it stays away
        asked = await next_message(client, down("kiosk-1", Down.REPLAY))
        assert json.loads(asked.payload) == {"epoch": 1, "from": 3, "to": 3}
        await client.publish(*messages[2], qos=1)
        while json.loads((await next_message(client, down("kiosk-1", Down.ACK))).payload)["sequence"] < 4:
            pass
        assert await count_events(house) == 4


async def test_garbage_is_put_aside_and_the_stream_goes_on(broker_url: str, tmp_path: Path) -> None:
    kiosk = Sender("kiosk-1")
    async with (
        open_house(tmp_path / "cloud", broker=broker_url) as house,
        machine(broker_url, "kiosk-1") as client,
    ):
        await client.publish(kiosk.event("a.b")[0], b"\xff\xfe not json", qos=1)
        await client.publish(kiosk.event("a.b")[0], b"x" * 200_000, qos=1)
        await client.publish(*Sender("nobody-7").event("agent.noted"), qos=1)
        await client.publish(*Sender("kiosk-1").event("agent.noted"), qos=1)

        async def arrived() -> bool:
            return await count_events(house) == 1

        await eventually(arrived, "the good fact is stored")
        reasons = [item["reason"] for item in (await house.get("/quarantine")).json()["items"]]
        assert len(reasons) == 3
        metrics = (await house.http.get("/metrics")).text
        assert "hallfleet_ingest_quarantined_total 3" in metrics


async def test_the_cloud_announces_its_birth_and_its_end(broker_url: str, tmp_path: Path) -> None:
    async with machine(broker_url, "watcher") as client:
        await client.subscribe(CLOUD_PRESENCE, qos=1)
        said = []
        for _ in range(2):
            async with open_house(tmp_path / "cloud", broker=broker_url):
                said.append(json.loads((await next_message(client, CLOUD_PRESENCE)).payload))
            said.append(json.loads((await next_message(client, CLOUD_PRESENCE)).payload))
    assert [word["state"] for word in said] == ["online", "offline", "online", "offline"]
    births = [word["birth"] for word in said]
    assert births[0] == births[1] != births[2] == births[3]


@pytest.mark.mosquitto
async def test_what_was_sent_while_the_cloud_was_away_arrives_and_a_broker_restart_loses_nothing(
    tmp_path: Path,
) -> None:
    require("mosquitto")
    kiosk = Sender("kiosk-1")
    with mosquitto_server.serve() as broker:
        async with open_house(tmp_path / "cloud", broker=broker.url):
            pass
        async with machine(broker.url, "kiosk-1") as client:
            for _ in range(5):
                await client.publish(*kiosk.event("agent.noted"), qos=1)
        async with open_house(tmp_path / "cloud", broker=broker.url) as house:

            async def five() -> bool:
                return await count_events(house) == 5

            await eventually(five, "what the broker kept arrives")
            await asyncio.to_thread(broker.process.stop)

            async def lost() -> bool:
                return not house.cloud.link.connected.is_set()

            await eventually(lost, "the cloud notices that the broker is gone")
            assert (await house.http.get("/readyz")).status_code == 503
            await asyncio.to_thread(broker.process.start)
            async with machine(broker.url, "kiosk-1") as client:
                await client.subscribe(machine_filter("kiosk-1"), qos=1)
                await asyncio.wait_for(house.cloud.link.connected.wait(), 10)
                await client.publish(*kiosk.event("agent.noted"), qos=1)
                while json.loads((await next_message(client, down("kiosk-1", Down.ACK))).payload)["sequence"] < 6:
                    pass


async def test_a_store_in_trouble_means_no_acknowledgement_until_it_is_back(
    embedded_broker: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = embedded_broker.url  # type: ignore[attr-defined]
    async with open_house(tmp_path / "cloud", broker=url) as house, machine(url, "kiosk-1") as client:
        write, failures = house.cloud.db.write, 0

        async def failing(work):  # type: ignore[no-untyped-def]
            nonlocal failures
            if failures < 2 and getattr(work, "func", None) is not None and "items" in work.keywords:
                failures += 1
                raise Unavailable("disk full")
            return await write(work)

        monkeypatch.setattr(house.cloud.db, "write", failing)
        await client.subscribe(machine_filter("kiosk-1"), qos=1)
        await client.publish(*Sender("kiosk-1").event("agent.noted"), qos=1)
        await next_message(client, down("kiosk-1", Down.ACK))
        assert failures == 2
        assert await count_events(house) == 1
        assert house.cloud.metrics.value(MESSAGES) == 1


@pytest.mark.parametrize(
    "url", ["mqtt://192.0.2.1:1883", "http://127.0.0.1", "mqtt://", "mqtts:///x", "127.0.0.1:1883"]
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(Invalid, match="broker: "):
        BrokerAddress(url)
