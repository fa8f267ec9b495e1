"""A whole agent: a real process, real pseudo-terminals, a real broker; the test is the cloud."""

import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import psutil
import pytest

from device_profiles.catalog import load_catalog
from device_profiles.messages.command import Ack, CommandBody
from device_profiles.messages.envelope import Envelope, read_envelopes
from device_profiles.messages.presence import CloudPresence
from device_profiles.messages.topics import CLOUD_PRESENCE, Down, Topic, Up, parse
from device_profiles.messages.twin import Twin
from edge_agent.outbox.sqlite import read_depth
from simulators.machine import SimulatedMachine
from simulators.people import People
from tests.edge_agent.fakes import eventually
from tests.servers.mosquitto import Broker
from tests.servers.process import free_port

pytestmark = [pytest.mark.mosquitto, pytest.mark.e2e, pytest.mark.slow]
SERVICES = {"household": {"prefix": "A", "name_zh": "户籍", "name_en": "Household", "blocks": [[1, 50]]}}


@dataclass
class Hall:
    """One ticket machine, simulated, its agent, and the cloud's side of the broker."""

    root: Path
    folder: Path
    machine: str
    device: SimulatedMachine
    cloud: aiomqtt.Client
    screen_port: int
    facts: list[Envelope] = field(default_factory=list)
    presence: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """A running agent; killed at the end of the block if it still runs."""
        arguments = ["-m", "edge_agent", "run", "--config", str(self.folder / "edge.toml")]
        log = (self.folder / "agent.log").open("ab")
        with log:
            process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=self.root, stderr=log)
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def listen(self) -> None:
        async for message in self.cloud.messages:
            assert isinstance(message.payload, bytes)
            if str(message.topic) == CLOUD_PRESENCE:
                continue
            topic = parse(str(message.topic))
            if topic.verb is Up.PRESENCE:
                self.presence.append(json.loads(message.payload)["state"])
            elif topic.verb in (Up.EVENT, Up.TELEMETRY, Up.RESULT):
                self.facts += read_envelopes(message.payload)

    def types(self) -> list[str]:
        return [fact.type for fact in self.facts]

    async def seen(self, fact_type: str) -> Envelope:
        await eventually(lambda: fact_type in self.types())
        return next(fact for fact in reversed(self.facts) if fact.type == fact_type)

    async def want(self, version: int, **values: Any) -> None:
        topic = str(Topic(self.machine, Down.DESIRED))
        await self.cloud.publish(topic, Twin(version=version, values=values).to_bytes(), qos=1, retain=True)

    async def state(self) -> dict[str, Any]:
        async with httpx.AsyncClient(trust_env=False) as pages:
            found: dict[str, Any] = (await pages.get(f"{self.pages}/api/state")).json()
            return found

    async def until_state(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition(await self.state()):  # noqa: ASYNC110 - what is waited for is in another process
                await asyncio.sleep(0.02)

    async def acknowledge_until_empty(self) -> None:
        """What a cloud does after its commits."""
        async with asyncio.timeout(10):
            while business_rows(self.folder):
                ack = Ack(epoch=self.facts[-1].epoch, sequence=max(fact.number for fact in self.facts))
                await self.cloud.publish(str(Topic(self.machine, Down.ACK)), ack.to_bytes(), qos=1)

    @property
    def pages(self) -> str:
        return f"http://127.0.0.1:{self.screen_port}"


@pytest.fixture
async def hall(mosquitto: Broker, tmp_path: Path, repo_root: Path) -> AsyncIterator[Hall]:
    catalog = load_catalog()
    profile = catalog.machine("ticket-machine")
    machine, port = f"ticket-{uuid.uuid4().hex[:6]}", free_port()
    device = SimulatedMachine(machine, profile, catalog, tmp_path / "ports", People(seed=1, count=5))
    ports = "\n".join(f'{slot} = "{device.port(slot).link}"' for slot in profile.slots)
    (tmp_path / "edge.toml").write_text(
        f'machine = "{machine}"\nprofile = "ticket-machine"\nbroker = "{mosquitto.url}"\noutbox_mib = 8\nsample_s = 1\n'
        f'data_dir = "{tmp_path}/data"\nscreen_port = {port}\n[ports]\n{ports}\n'
    )
    client = aiomqtt.Client(mosquitto.host, mosquitto.port, protocol=aiomqtt.ProtocolVersion.V5)
    async with client as cloud, asyncio.TaskGroup() as group:
        await cloud.subscribe(f"hallfleet/v1/+/{machine}/up/#", qos=1)
        birth = CloudPresence(state="online", birth=machine)
        await cloud.publish(CLOUD_PRESENCE, birth.to_bytes(), qos=1, retain=True)
        found = Hall(repo_root, tmp_path, machine, device, cloud, port)
        listening = group.create_task(found.listen())
        device.plug()
        yield found
        device.unplug()
        await cloud.publish(CLOUD_PRESENCE, b"", qos=1, retain=True)
        listening.cancel()


async def test_a_ticket_from_the_card_to_the_paper_and_the_cloud(hall: Hall) -> None:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    await hall.want(1, public_url="http://hall.test", day=today, subject_salt="00ff" * 8, services=SERVICES)
    async with hall.agent() as agent, httpx.AsyncClient(trust_env=False, timeout=30) as pages:
        await hall.seen("printer.device_online")
        await hall.seen("id_reader.device_online")
        await hall.until_state(lambda state: bool(state["services"]) and state["online"])
        hall.device.press("id_reader", "insert_card", person="p001")
        wish = {"service": "household", "visit": uuid.uuid4().hex, "with_card": True}
        answer = await pages.post(f"{hall.pages}/api/tickets", json=wish)
        assert answer.status_code == 201, answer.text
        ticket = answer.json()
        assert (ticket["number"], ticket["medium"]) == ("A001", "paper")
        (paper,) = hall.device.snapshot("printer")["papers"]
        assert any("A001" in line for line in paper["lines"])
        assert f"http://hall.test/t/{ticket['token']}" in str(paper["qr"])
        assert paper["cut"]
        fact = await hall.seen("ticket.issued")
        assert (fact.data["number"], len(fact.data["subject"])) == ("A001", 32)
        sampled = await hall.seen("agent.sampled")
        assert {"agent", *hall.device.ports} == {sample["slot"] for sample in sampled.data["samples"]}
        await leaves(hall, agent)


async def test_an_unplugged_reader_is_noticed_and_comes_back(hall: Hall) -> None:
    async with hall.agent() as agent:
        await hall.seen("id_reader.device_online")
        hall.device.port("id_reader").unplug()
        await hall.seen("id_reader.device_no_device")
        hall.facts.clear()
        hall.device.port("id_reader").plug()
        await hall.seen("id_reader.device_online")
        await leaves(hall, agent)


async def test_a_killed_agent_loses_nothing_and_numbers_go_on(hall: Hall) -> None:
    async with hall.agent() as agent:
        await hall.seen("printer.device_online")
        agent.send_signal(signal.SIGKILL)
        await agent.wait()
    before = {fact.number for fact in hall.facts}
    epoch = hall.facts[0].epoch
    hall.facts.clear()
    async with hall.agent():
        await eventually(lambda: {fact.number for fact in hall.facts} > before)
        numbers = sorted({fact.number for fact in hall.facts})
        assert numbers == list(range(1, numbers[-1] + 1))
        assert {fact.epoch for fact in hall.facts} == {epoch}
        await hall.acknowledge_until_empty()


async def test_a_command_prints_and_is_answered(hall: Hall) -> None:
    async with hall.agent():
        await hall.seen("printer.device_online")
        body = CommandBody(
            command_id="c1",
            name="print",
            args={"blocks": [{"kind": "text", "text": "回执 receipt"}]},
            start_by=datetime.now(UTC) + timedelta(seconds=20),
            run_for_s=20,
        )
        for count in (1, 2):
            await hall.cloud.publish(str(Topic(hall.machine, Down.COMMAND, "printer")), body.to_bytes(), qos=1)
            await eventually(lambda wanted=count: hall.types().count("command.finished") == wanted)  # type: ignore[misc]
        assert {fact.data["outcome"] for fact in hall.facts if fact.type == "command.finished"} == {"succeeded"}
        assert len(hall.device.snapshot("printer")["papers"]) == 1


async def test_the_agent_stays_small_and_a_second_one_is_refused(hall: Hall) -> None:
    async with hall.agent() as agent:
        await hall.seen("printer.device_online")
        assert psutil.Process(agent.pid).memory_info().rss < 80 << 20
        async with hall.agent() as second:
            assert await second.wait() == 1
        assert b"another agent already runs" in (hall.folder / "agent.log").read_bytes()


async def leaves(hall: Hall, agent: asyncio.subprocess.Process) -> None:
    """SIGTERM: gone within two seconds, and it said so."""
    asked_at = time.monotonic()
    agent.send_signal(signal.SIGTERM)
    assert await agent.wait() == 0
    assert time.monotonic() - asked_at < 2
    await eventually(lambda: hall.presence[-1] == "offline")


def business_rows(folder: Path) -> int:
    return read_depth(folder / "data" / "outbox.db").business


def machine_command(name: str, command_id: str, **args: Any) -> bytes:
    start_by = datetime.now(UTC) + timedelta(seconds=20)
    return CommandBody(command_id=command_id, name=name, args=args, start_by=start_by, run_for_s=20).to_bytes()


async def test_an_agent_that_is_asked_to_restart_comes_back_once_and_says_that_it_did(hall: Hall) -> None:
    topic = str(Topic(hall.machine, Down.COMMAND, "agent"))
    async with hall.agent() as agent:
        await hall.seen("printer.device_online")
        await hall.cloud.publish(topic, machine_command("restart_agent", "r1"), qos=1)
        await eventually(lambda: "command.finished" in hall.types(), within_s=30)  # a whole start of an agent
        done = await hall.seen("command.finished")
        assert (done.data["command_id"], done.data["outcome"], done.slot) == ("r1", "succeeded", "agent")
        assert agent.returncode is None, "the process is the same, its program began anew"
        assert hall.presence[-2:] == ["offline", "online"]
        await hall.cloud.publish(topic, machine_command("test_print", "t1"), qos=1)
        await eventually(lambda: hall.types().count("command.finished") == 2, within_s=20)
        (paper,) = hall.device.snapshot("printer")["papers"]
        assert any("TEST PRINT" in line for line in paper["lines"])


async def test_vendor_mode_closes_the_slots_and_says_so_on_the_screen(hall: Hall) -> None:
    topic = str(Topic(hall.machine, Down.COMMAND, "agent"))
    async with hall.agent():
        await hall.seen("printer.device_online")
        await hall.cloud.publish(topic, machine_command("vendor_mode", "v1", phase="maintain", for_s=600), qos=1)
        await hall.until_state(lambda state: state["view"]["kind"] == "out_of_service" and not state["printer"])
        await hall.cloud.publish(topic, machine_command("vendor_mode", "v2", phase="end"), qos=1)
        await hall.until_state(lambda state: state["view"]["kind"] == "idle" and state["printer"])
        told = [fact.data["state"] for fact in hall.facts if fact.type == "agent.vendor_mode_changed"]
        assert told == ["draining", "drained", "maintaining", "off"]
