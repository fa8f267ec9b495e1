"""Garbage over MQTT, end to end: each piece is put aside with a reason, and the next good fact is accepted."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import psutil
import pytest

from cloud.ingest.consumer import QUARANTINED
from device_profiles.messages.body import MAX_BODY_BYTES
from device_profiles.messages.topics import Down, Topic, Up, machine_filter
from tests.builders.facts import Sender, changed
from tests.cloud.house import House, eventually, machine, next_message, open_house
from tests.servers.process import free_port

ID = "kiosk-1"
GARBAGE_EPOCH = 2  # numbers of its own, so that the good facts of epoch 1 have no gap
DEEP = 10_000
GROWTH_BYTES = 24 * 2**20

Message = tuple[str, bytes]


def garbage() -> dict[str, tuple[Message, str]]:
    """Name -> (message, what its reason must say)."""
    kiosk = Sender(ID, GARBAGE_EPOCH)
    return {
        **no_envelope(kiosk),
        **wrong_place(kiosk),
        **wrong_fields(kiosk),
        **wrong_values(kiosk),
        **wrong_data(kiosk),
    }


def noted(kiosk: Sender, **values: Any) -> Message:
    return changed(kiosk.event("agent.noted"), **values)


def no_envelope(kiosk: Sender) -> dict[str, tuple[Message, str]]:
    topic = kiosk.topic(Up.EVENT)
    return {
        "not json": ((topic, b"hello"), "Invalid JSON"),
        "not utf-8": ((topic, b'{"id":"\xff\xfe"}'), "Invalid JSON"),
        "empty": ((topic, b""), "Invalid JSON"),
        "200 KiB": ((topic, b"x" * 200 * 1024), f"expected at most {MAX_BODY_BYTES} bytes, got {200 * 1024}"),
        "deep list": ((topic, b"[" * DEEP + b"]" * DEEP), "recursion limit"),
        "deep object": ((topic, b'{"a":' * DEEP + b"1" + b"}" * DEEP), "recursion limit"),
        "a number": ((topic, b"42"), "Envelope"),
        "an empty batch": ((topic, b"[]"), "at least"),
        "a batch of numbers": ((topic, b"[1, 2]"), "0: "),
        "nothing but an id": ((topic, b'{"id": "kiosk-1/2/900"}'), "Field required"),
    }


def wrong_place(kiosk: Sender) -> dict[str, tuple[Message, str]]:
    topic = kiosk.topic(Up.EVENT)
    shard = topic.split("/")[2]
    other, ticket_machine = Sender("kiosk-9", GARBAGE_EPOCH), Sender("ticket-1", GARBAGE_EPOCH)
    return {
        "a topic of an unknown machine": (other.event("agent.noted"), "not one of the halls of this cloud"),
        "a wrong shard": ((topic.replace(f"/{shard}/", "/zz/"), kiosk.event("agent.noted")[1]), "shard"),
        "a wrong verb": ((topic.replace("/up/event/", "/up/gossip/"), b"{}"), "topic"),
        "an event of another machine": ((topic, ticket_machine.event("agent.noted")[1]), f"expected machine {ID}"),
        "an id of another machine": (noted(kiosk, id=f"ticket-1/{GARBAGE_EPOCH}/5"), f"id: expected {ID}/"),
        "a slot that is not there": (kiosk.event("printer.paper_low", slot="cellar"), "no slot 'cellar'"),
        "a fact of another slot": (kiosk.event("printer.paper_low", slot="id_reader"), "another slot's"),
        "a fact of the cloud": (kiosk.event("ticket.called"), "is not a machine's"),
    }


def wrong_fields(kiosk: Sender) -> dict[str, tuple[Message, str]]:
    def numbered(sequence: str) -> Message:
        return noted(kiosk, id=f"{ID}/{GARBAGE_EPOCH}/{sequence}", sequence=sequence)

    return {
        "data is a list": (noted(kiosk, data=[1]), "data: Input should be an object"),
        "type is a number": (noted(kiosk, type=5), "type: Input should be a valid string"),
        "another specversion": (noted(kiosk, specversion="0.3"), "specversion: Input should be '1.0'"),
        "sequence 0": (numbered("0"), "sequence: String should match pattern"),
        "sequence negative": (numbered("-5"), "sequence: String should match pattern"),
        "sequence of 65 bits": (numbered(str(2**64)), "sequence: "),
        "sequence just too large": (numbered(str(2**63)), "sequence: expected 1 to"),
        "sequence is a number": (noted(kiosk, sequence=7), "sequence: Input should be a valid string"),
        "epoch 0": (noted(kiosk, epoch=0), "epoch: Input should be greater than or equal to 1"),
        "epoch is a text": (noted(kiosk, epoch="2"), "epoch: Input should be a valid integer"),
        "time without zone": (noted(kiosk, time="2026-05-04T01:00:00"), "time: Value error, expected UTC"),
        "time in words": (noted(kiosk, time="yesterday"), "time: Value error, expected a time such as"),
        "time of another zone": (noted(kiosk, time="2026-05-04T01:00:00+08:00"), "time: Value error, expected UTC"),
    }


def wrong_values(kiosk: Sender) -> dict[str, tuple[Message, str]]:
    def value(text: bytes) -> Message:
        message = kiosk.event("agent.noted", {"value": 7})
        return message[0], message[1].replace(b"7}", text + b"}")

    return {
        "deep data": (noted(kiosk, data={"deep": nested(300)}), "recursion limit"),
        "NaN": (value(b"NaN"), "expected finite numbers, got NaN"),
        "an infinite number": (value(b"1e999"), "a 64-bit float holds"),
        "an integer of 70 bits": (value(b"%d" % 2**70), "expected integers"),
        "a NUL": (noted(kiosk, data={"text": "a\0b"}), "expected text without U+0000"),
        "half a surrogate pair": (noted(kiosk, data={"text": "\ud800"}), "Invalid JSON"),
    }


def wrong_data(kiosk: Sender) -> dict[str, tuple[Message, str]]:
    unknown = {"command_id": "cmd_never", "outcome": "succeeded"}
    return {
        "a result of an unknown command": (kiosk.result(unknown, slot="printer"), "cmd_never: never sent to machine"),
        "a result without an outcome": (kiosk.result({"command_id": "x"}, slot="printer"), "outcome: Field required"),
        "a presence of no state": ((kiosk.topic(Up.PRESENCE), b'{"state":"asleep"}'), "Presence: "),
        "an inventory that is a list": ((kiosk.topic(Up.INVENTORY), b"[]"), "Inventory: "),
        "a twin without a version": ((kiosk.topic(Up.REPORTED), b'{"values":{}}'), "version: Field required"),
        "samples that are no list": (
            (kiosk.topic(Up.TELEMETRY), kiosk.envelope("agent.sampled", {"samples": 5}).to_bytes()),
            "samples: Input should be a valid list",
        ),
    }


def nested(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


class Kiosk:
    """A machine that says something good and waits until that is committed."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self._good = Sender(ID)

    async def say(self, *messages: Message) -> None:
        for message in messages:
            await self._client.publish(*message, qos=1)

    async def is_heard(self) -> None:
        await self.say(self._good.event("agent.noted", {"good": True}))
        acknowledged = {"epoch": 0, "sequence": 0}
        while (acknowledged["epoch"], acknowledged["sequence"]) != (1, self._good.sequence):
            message = await next_message(self._client, str(Topic(ID, Down.ACK)))
            acknowledged = json.loads(message.payload)


@asynccontextmanager
async def kiosk_at(broker_url: str) -> AsyncIterator[Kiosk]:
    async with machine(broker_url, ID) as client:
        await client.subscribe(machine_filter(ID), qos=1)
        yield Kiosk(client)


async def newest_reason(house: House) -> dict[str, Any]:
    (item,) = (await house.get("/quarantine", limit=1)).json()["items"]
    return dict(item)


async def test_every_piece_is_put_aside_with_its_reason_and_the_next_fact_is_accepted(
    broker_url: str, tmp_path: Path
) -> None:
    wrong: list[str] = []
    async with open_house(tmp_path / "cloud", broker=broker_url) as house, kiosk_at(broker_url) as kiosk:
        for count, (name, (message, said)) in enumerate(garbage().items(), start=1):
            await kiosk.say(message)
            await kiosk.is_heard()
            item = await newest_reason(house)
            if said not in item["reason"] or item["size"] != len(message[1]) or item["topic"] != message[0]:
                wrong.append(f"{name}: expected {said!r}, got {item['reason']!r} ({item['size']} bytes)")
            if house.cloud.metrics.value(QUARANTINED) != count:
                wrong.append(f"{name}: expected {count} in quarantine, got {house.cloud.metrics.value(QUARANTINED)}")
                break
        assert not wrong, "\n".join(wrong)
        events = (await house.get(f"/machines/{ID}/events", limit=500)).json()["items"]
        kept = {event["type"] for event in events if event["epoch"] == GARBAGE_EPOCH}
        assert kept <= {"command.finished"}, "what a reaction refuses is on record as said; nothing else is"
        assert sum(event["epoch"] == 1 for event in events) == len(garbage())
        assert (await house.http.get("/readyz")).status_code == 200


async def test_one_broken_fact_in_a_batch_is_put_aside_alone(broker_url: str, tmp_path: Path) -> None:
    kiosk_facts = Sender(ID, epoch=3)
    facts = [json.loads(kiosk_facts.envelope("agent.noted").to_bytes()) for _ in range(3)]
    facts[1]["time"] = "2026-05-04T01:00:00"
    async with open_house(tmp_path / "cloud", broker=broker_url) as house, kiosk_at(broker_url) as kiosk:
        await kiosk.say((kiosk_facts.topic(Up.EVENT), json.dumps(facts).encode()))
        await kiosk.is_heard()
        events = (await house.get(f"/machines/{ID}/events")).json()["items"]
        assert [event["sequence"] for event in events if event["epoch"] == 3] == [3, 1]
        ledger = (await house.get(f"/machines/{ID}/ledger")).json()["epochs"]
        assert {epoch["epoch"]: (epoch["complete_to"], epoch["missing"]) for epoch in ledger}[3] == (3, 0)


@pytest.mark.slow
async def test_a_process_under_much_garbage_lives_and_does_not_grow(broker_url: str, tmp_path: Path) -> None:
    pieces = [message for message, _ in garbage().values()]
    async with cloud_process(broker_url, tmp_path) as (process, http), kiosk_at(broker_url) as kiosk:
        for _ in range(4):
            await kiosk.say(*pieces)
        await kiosk.is_heard()
        before = process.memory_info().rss
        for _ in range(12):
            await kiosk.say(*pieces)
        await kiosk.is_heard()
        grown = process.memory_info().rss - before
        assert grown < GROWTH_BYTES, f"{grown / 2**20:.1f} MiB more after {12 * len(pieces)} pieces"
        counted = [line for line in (await http.get("/metrics")).text.splitlines() if line.startswith(QUARANTINED)]
        # A number that was refused once is known: the same piece again is a duplicate, and is not put aside twice.
        assert int(counted[0].split()[1]) > 8 * len(pieces)
        assert process.is_running()


@asynccontextmanager
async def cloud_process(broker_url: str, folder: Path) -> AsyncIterator[tuple[psutil.Process, httpx.AsyncClient]]:
    """``hallfleet cloud serve``, ready; ends without a traceback."""
    port, file, log = free_port(), folder / "cloud.toml", folder / "log.txt"
    file.write_text(f'data_dir = "{folder / "data"}"\nport = {port}\nbroker = "{broker_url}"\ndemo = true\n')
    argv = [sys.executable, "-m", "hallfleet", "cloud", "serve", "--config", str(file)]
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(*argv, stdout=out, stderr=out)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

                async def is_ready() -> bool:
                    try:
                        return (await http.get("/readyz")).status_code == 200
                    except httpx.TransportError:
                        return False

                await eventually(is_ready, "the cloud is ready")
                yield psutil.Process(child.pid), http
            child.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(child.wait(), 20) == 0
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    assert "Traceback" not in log.read_text()
