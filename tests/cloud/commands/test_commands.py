"""Commands: asked once per key, and with a known outcome, or known to be unknown."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cloud.broker.embedded import EmbeddedBroker
from cloud.commands.service import CommandService
from cloud.commands.states import OPEN, TRANSITIONS, CommandState
from cloud.commands.store import by_id
from cloud.core.bus import Bus
from cloud.core.clock import SetClock
from cloud.core.errors import Invalid, NotFound
from cloud.core.facts import Fact
from cloud.fleet.model import Register
from cloud.storage import schema
from cloud.storage.engine import create_engine
from cloud.storage.unit_of_work import Database, Tx
from device_profiles.catalog import load_catalog
from device_profiles.messages.command import CommandBody
from device_profiles.messages.topics import Down, Topic, machine_filter
from tests.builders.facts import AT, Sender
from tests.cloud.house import eventually, machine, next_message, open_house

SHOW = {"ticket": "A012", "counter": 1, "text": "请"}


class Office:
    """The service on a database, with a clock that the test sets."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.clock = SetClock(AT)
        self.service = CommandService(Register(load_catalog(), ["demo-hall"]), self.clock)
        self.settled: list[tuple[str, str]] = []
        db.bus.on("command.finished", self.service.settle)
        db.bus.on("command.reconciled", self.service.reconcile)
        self.doubts: list[str] = []
        db.bus.on("command.doubted", lambda _, fact: self.doubts.append(fact.data["fault"]["code"]))
        db.bus.on("command.cleared", lambda _, fact: self.doubts.append("cleared"))
        db.bus.on(
            "command.settled", lambda _, fact: self.settled.append((fact.data["command_id"], fact.data["outcome"]))
        )

    async def send(self, key: str = "flow-1:show", **changes: Any) -> str:
        asked = {"machine": "counter-1", "slot": "display", "name": "show", "args": SHOW, **changes}
        return await self.db.write(
            lambda tx: self.service.send(tx, **asked, start_in_s=10, run_for_s=5, key=key, flow_id="flow-1")
        )

    async def claim(self, *online: str, again: frozenset[str] = frozenset()) -> list[str]:
        rows = await self.db.write(lambda tx: self.service.claim(tx, frozenset(online), again))
        return [row.id for row in rows]

    async def finish(self, command_id: str, outcome: str = "succeeded", machine_id: str = "counter-1") -> None:
        data = {"command_id": command_id, "outcome": outcome, "output": {}}
        fact = Fact("command.finished", AT, data, machine_id, "display", "demo-hall")
        await self.db.write(lambda tx: tx.publish(fact))

    async def expire(self, after_s: float) -> None:
        self.clock.advance(after_s)
        await self.db.write(self.service.expire)

    async def state(self, command_id: str) -> str:
        row = await self.db.read(lambda conn: by_id(conn, command_id))
        assert row is not None
        return str(row.state)


@pytest.fixture
async def office(database_url: str) -> AsyncIterator[Office]:
    engine = create_engine(database_url)
    schema.upgrade(engine)
    engine.dispose()
    async with Database(database_url, Bus[Tx]()) as db:
        yield Office(db)


def test_every_state_can_be_reached_and_open_ones_can_be_left() -> None:
    reached, found = {CommandState.PENDING}, {CommandState.PENDING}
    while found:
        found = {after for state in found for after in TRANSITIONS[state]} - reached
        reached |= found
    assert reached == set(CommandState)
    assert all(TRANSITIONS[state] for state in OPEN)
    assert not any(TRANSITIONS[state] & OPEN for state in set(CommandState) - OPEN)


async def test_the_same_key_asks_once(office: Office) -> None:
    first = await office.send()
    assert await office.send() == first
    assert await office.send("flow-1:other") != first
    assert len(await office.claim("counter-1")) == 2


async def test_only_machines_that_are_there_are_asked_and_only_once(office: Office) -> None:
    command = await office.send()
    assert await office.claim("kiosk-1") == []
    assert await office.claim("counter-1") == [command]
    assert await office.claim("counter-1") == []
    assert await office.claim("counter-1", again=frozenset({"counter-1"})) == [command]
    assert await office.state(command) == "sent"


async def test_the_machines_word_settles_a_command_once(office: Office) -> None:
    command = await office.send()
    await office.claim("counter-1")
    await office.finish(command)
    await office.finish(command)
    await office.finish(command, "failed")
    assert (await office.state(command), office.settled) == ("succeeded", [(command, "succeeded")])


async def test_what_was_never_sent_expires_and_what_was_sent_is_unknown(office: Office) -> None:
    waiting = await office.send(machine="counter-2")
    sent = await office.send("other")
    await office.claim("counter-1")
    await office.expire(14.9)
    assert office.settled == []
    await office.expire(5.2)
    assert office.settled == [(waiting, "expired"), (sent, "unknown")]


async def test_late_evidence_settles_the_unknown(office: Office) -> None:
    command = await office.send()
    await office.claim("counter-1")
    await office.expire(60)
    await office.finish(command)
    assert office.settled == [(command, "unknown"), (command, "succeeded")]
    assert await office.state(command) == "succeeded"


@pytest.mark.parametrize(("command", "machine_id"), [("cmd_unheard_of", "counter-1"), ("", "counter-2")])
async def test_a_result_that_nobody_waits_for_is_refused(office: Office, command: str, machine_id: str) -> None:
    own = await office.send()
    with pytest.raises(NotFound, match="never sent to machine"):
        await office.finish(command or own, machine_id=machine_id)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"machine": "nobody"}, NotFound, "not in any hall"),
        ({"slot": "cellar"}, NotFound, "it has caller, display, pad"),
        ({"slot": "attic"}, NotFound, "it has caller, display, pad"),
        ({"name": "explode"}, Invalid, "knows show"),
        ({"args": {"ticket": "far too long"}}, Invalid, "args of signage.show: ticket"),
        ({"args": {"colour": 1}}, Invalid, "colour"),
    ],
)
async def test_what_a_slot_cannot_do_is_refused(
    office: Office, changes: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        await office.send(**changes)


async def test_a_command_reaches_its_machine_and_comes_back_over_http(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    url, pad = embedded_broker.url, Sender("counter-1")
    asked = {"slot": "display", "name": "show", "args": SHOW, "start_in_s": 20}
    async with open_house(tmp_path / "cloud", broker=url) as house, machine(url, "counter-1") as client:
        await client.subscribe(machine_filter("counter-1"), qos=1)
        headers = {"Idempotency-Key": "k1"}
        first = await house.http.post("/api/v1/machines/counter-1/commands", json=asked, headers=headers)
        again = await house.http.post("/api/v1/machines/counter-1/commands", json=asked, headers=headers)
        assert (first.status_code, first.json()["state"], again.json()) == (202, "pending", first.json())
        await client.publish(*pad.presence(), qos=1)  # only now is the machine there
        topic = str(Topic("counter-1", Down.COMMAND, "display"))
        body = CommandBody.from_bytes(bytes((await next_message(client, topic)).payload))
        assert (body.command_id, body.name, body.args) == (first.json()["id"], "show", SHOW)
        await client.publish(*pad.presence(), qos=1)  # it lost its memory: the same id comes again
        assert json.loads((await next_message(client, topic)).payload)["command_id"] == body.command_id
        result = {"command_id": body.command_id, "outcome": "failed", "error": {"code": "no_device", "action": "clear"}}
        await client.publish(*pad.result(result, slot="display"), qos=1)

        async def settled() -> bool:
            return bool((await house.get(f"/commands/{body.command_id}")).json()["state"] == "failed")

        await eventually(settled, "the command is settled")
        other = await house.http.post(
            "/api/v1/machines/counter-1/commands", json={**asked, "args": {}}, headers=headers
        )
        assert other.status_code == 409


async def test_commands_under_way_survive_a_restart_and_run_out_of_time(
    embedded_broker: EmbeddedBroker, tmp_path: Path
) -> None:
    url, pad = embedded_broker.url, Sender("counter-1")
    topic = str(Topic("counter-1", Down.COMMAND, "display"))
    async with machine(url, "counter-1") as client:
        await client.subscribe(machine_filter("counter-1"), qos=1)
        async with open_house(tmp_path / "cloud", broker=url) as house:
            await client.publish(*pad.presence(), qos=1)
            command = await house.cloud.db.write(
                lambda tx: house.cloud.commands.send(
                    tx, "counter-1", "display", "show", SHOW, start_in_s=600, run_for_s=5, key="k"
                )
            )
            assert json.loads((await next_message(client, topic)).payload)["command_id"] == command
        async with open_house(tmp_path / "cloud", broker=url) as house:
            assert json.loads((await next_message(client, topic)).payload)["command_id"] == command


async def test_time_runs_out_without_anybody_asking(tmp_path: Path, embedded_broker: EmbeddedBroker) -> None:
    async with open_house(tmp_path / "cloud", broker=embedded_broker.url) as house:
        settled = asyncio.Event()
        house.cloud.bus.after_commit(
            lambda facts: settled.set() if any(fact.type == "command.settled" for fact in facts) else None
        )
        clock = house.cloud.clock.now() - timedelta(seconds=5)
        house.cloud.commands._clock = SetClock(clock)  # asked five seconds ago
        await house.cloud.db.write(
            lambda tx: house.cloud.commands.send(
                tx, "counter-1", "display", "show", SHOW, start_in_s=0.2, run_for_s=0.1, key="k"
            )
        )
        house.cloud.commands._clock = house.cloud.clock
        async with asyncio.timeout(10):
            await settled.wait()


PAPER = {"blocks": [{"kind": "text", "text": "A012"}]}


async def an_unknown_print(office: Office, **args: Any) -> str:
    command_id = await office.send(machine="ticket-1", slot="printer", name="print", args=PAPER | args)
    await office.claim("ticket-1")
    await office.finish(command_id, "unknown", "ticket-1")
    return command_id


async def reconcile(office: Office, command_id: str, outcome: str) -> None:
    data = {"command_id": command_id, "outcome": outcome, "output": {}, "evidence": "printed_total"}
    fact = Fact("command.reconciled", AT, data, "ticket-1", "printer", "demo-hall")
    await office.db.write(lambda tx: tx.publish(fact))


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
async def test_evidence_corrects_an_unknown_outcome_once(office: Office, outcome: str) -> None:
    command_id = await an_unknown_print(office)
    assert (await office.state(command_id), office.doubts) == ("unknown", ["outcome_unknown"])
    await reconcile(office, command_id, outcome)
    await reconcile(office, command_id, "failed" if outcome == "succeeded" else "succeeded")
    assert (await office.state(command_id), office.doubts) == (outcome, ["outcome_unknown", "cleared"])
    assert office.settled == [(command_id, "unknown"), (command_id, outcome)]


async def test_lost_evidence_is_a_task_for_a_person(office: Office) -> None:
    command_id = await an_unknown_print(office)
    await reconcile(office, command_id, "unknown")
    assert (await office.state(command_id), office.doubts) == ("unknown", ["outcome_unknown", "outcome_unproved"])


async def test_a_person_has_to_look_at_once_where_nothing_can_prove_it(office: Office) -> None:
    await an_unknown_print(office, cut=False)
    assert office.doubts == ["outcome_unproved"]


async def test_nobody_has_to_look_at_what_can_be_repeated(office: Office) -> None:
    command_id = await office.send()
    await office.claim("counter-1")
    await office.finish(command_id, "unknown")
    assert office.doubts == []


async def test_the_machine_itself_can_be_asked(office: Office) -> None:
    await office.send(slot="agent", name="vendor_mode", args={"phase": "drain", "for_s": 600})
    with pytest.raises(Invalid, match="agent in slot agent knows"):
        await office.send("other", slot="agent", name="explode", args={})
