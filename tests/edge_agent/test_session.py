"""What is said to the cloud and in which order; the uplink is in memory, the test is the cloud."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from device_profiles.errors import MessageError
from device_profiles.messages.command import Ack, CommandBody, Replay
from device_profiles.messages.envelope import MAX_BATCH_BYTES, read_envelopes
from device_profiles.messages.inventory import Inventory
from device_profiles.messages.presence import CloudPresence
from device_profiles.messages.topics import CLOUD_PRESENCE, Down, Topic
from device_profiles.messages.twin import Twin
from edge_agent.outbox.memory import MemoryOutbox
from edge_agent.ports import Lane
from edge_agent.storage import Values
from edge_agent.timing import Backoff
from edge_agent.twin import Desired, Reported
from edge_agent.uplink.memory import MemoryUplink
from edge_agent.uplink.sender import IN_FLIGHT, NUDGE_S, WINDOW_ROWS
from edge_agent.uplink.session import CloudSession, SessionParts
from tests.edge_agent.fakes import START, VirtualClock, machine_file, running

MACHINE = "ticket-1"


class Inbox:
    """Takes commands."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    async def accept(self, slot: str, body: CommandBody) -> None:
        self.taken.append((slot, body.command_id))


@dataclass
class Cloud:
    """The machine's session with the test as its cloud."""

    uplink: MemoryUplink
    outbox: MemoryOutbox
    reported: Reported
    desired: Desired
    inbox: Inbox
    clock: VirtualClock
    session: CloudSession
    online: list[bool]

    def verbs(self) -> list[str]:
        return [message.topic.split("/")[5] for message in self.uplink.published]

    def sequences(self) -> list[int]:
        return [fact.number for fact in self.facts()]

    def facts(self) -> list[Any]:
        kinds = ("event", "telemetry", "result")
        return [
            fact
            for message in self.uplink.published
            if message.topic.split("/")[5] in kinds
            for fact in read_envelopes(message.payload)
        ]

    async def append(self, count: int, lane: Lane = Lane.BUSINESS, **data: Any) -> None:
        for _ in range(count):
            await self.outbox.append("printer", "printer.paper_low", data, self.clock.now(), lane)

    def tell(self, verb: Down, body: Any, slot: str = "agent") -> None:
        self.uplink.deliver(str(Topic(MACHINE, verb, slot)), body.to_bytes())

    def be_born(self, birth: str) -> None:
        self.uplink.deliver(CLOUD_PRESENCE, CloudPresence(state="online", birth=birth).to_bytes())


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    clock, uplink, outbox, inbox = VirtualClock(), MemoryUplink(), MemoryOutbox(room_bytes=4 << 20), Inbox()
    online: list[bool] = []
    async with machine_file(tmp_path) as file:
        reported, desired = Reported(Values(file)), Desired(Values(file))
        parts = SessionParts(
            machine=MACHINE,
            agent_version="1",
            since=START,
            outbox=outbox,
            reported=reported,
            desired=desired,
            commands=inbox,
            inventory=lambda: Inventory(machine_profile="ticket-machine", digest="0", slots={}),
            online_changed=online.append,
            clock=clock,
        )
        session = CloudSession(uplink, parts, Backoff(0.5, 30, draw=lambda: 1.0))
        async with running(session.run):
            yield Cloud(uplink, outbox, reported, desired, inbox, clock, session, online)


async def announced(cloud: Cloud) -> None:
    await cloud.clock.until(lambda: cloud.verbs()[-1:] == ["reported"])


async def test_a_machine_announces_itself_before_it_sends_facts(cloud: Cloud) -> None:
    await cloud.append(2)
    await cloud.clock.until(lambda: "event" in cloud.verbs())
    assert cloud.verbs()[:3] == ["presence", "inventory", "reported"]
    assert all(message.retain for message in cloud.uplink.published[:3])
    assert not cloud.uplink.published[3].retain


async def test_rows_go_out_in_order_and_stay_until_the_cloud_acknowledges(cloud: Cloud) -> None:
    await announced(cloud)
    await cloud.append(30)
    await cloud.clock.until(lambda: cloud.sequences() == list(range(1, 31)))
    assert len(cloud.outbox.rows) == 30
    cloud.tell(Down.ACK, Ack(epoch=1, sequence=20))
    await cloud.clock.until(lambda: len(cloud.outbox.rows) == 10)


async def test_after_a_cut_everything_unacknowledged_is_sent_again(cloud: Cloud) -> None:
    await announced(cloud)
    await cloud.append(5)
    await cloud.clock.until(lambda: len(cloud.sequences()) == 5)
    cloud.tell(Down.ACK, Ack(epoch=1, sequence=2))
    await cloud.clock.until(lambda: len(cloud.outbox.rows) == 3)
    cloud.uplink.reachable = False
    cloud.uplink.cut()
    await cloud.clock.until(lambda: cloud.uplink.link is None)
    await cloud.append(2)
    cloud.uplink.published.clear()
    cloud.uplink.reachable = True
    await cloud.clock.until(lambda: cloud.sequences() == [3, 4, 5, 6, 7])
    assert cloud.verbs()[:3] == ["presence", "inventory", "reported"]


async def test_a_cloud_that_is_born_again_is_told_everything_again(cloud: Cloud) -> None:
    await announced(cloud)
    cloud.be_born("one")
    await cloud.append(3)
    await cloud.clock.until(lambda: len(cloud.sequences()) == 3)
    cloud.uplink.published.clear()
    cloud.be_born("two")
    await cloud.clock.until(lambda: cloud.sequences() == [1, 2, 3])
    assert cloud.verbs()[:3] == ["presence", "inventory", "reported"]


async def test_the_same_birth_heard_again_changes_nothing(cloud: Cloud) -> None:
    await announced(cloud)
    cloud.be_born("one")
    cloud.be_born("one")
    await cloud.clock.until(lambda: len(cloud.uplink.confirmed) == 2)
    cloud.clock.advance(5)
    await cloud.append(1)
    await cloud.clock.until(lambda: cloud.sequences() == [1])
    assert cloud.verbs().count("presence") == 1


async def test_online_means_that_the_cloud_is_there(cloud: Cloud) -> None:
    await announced(cloud)
    assert not cloud.session.online
    cloud.be_born("one")
    await cloud.clock.until(lambda: cloud.session.online)
    cloud.uplink.deliver(CLOUD_PRESENCE, CloudPresence(state="offline", birth="one").to_bytes())
    await cloud.clock.until(lambda: not cloud.session.online)
    cloud.be_born("one")
    await cloud.clock.until(lambda: cloud.session.online)
    cloud.uplink.cut()
    await cloud.clock.until(lambda: cloud.online == [True, False, True, False])


async def test_a_backlog_travels_in_batches_and_is_marked_as_history(cloud: Cloud) -> None:
    cloud.uplink.reachable = False
    cloud.uplink.cut()
    await cloud.append(400, text="x" * 300)
    cloud.clock.advance(3600)
    await cloud.append(1)
    cloud.uplink.published.clear()
    cloud.uplink.reachable = True
    await cloud.clock.until(lambda: len(cloud.sequences()) == 401)
    messages = [message for message in cloud.uplink.published if "/event/" in message.topic]
    assert len(messages) < 10
    assert all(len(message.payload) <= MAX_BATCH_BYTES for message in messages)
    assert cloud.sequences() == [401, *range(1, 401)]  # what is news does not wait behind what is not
    assert [fact.historical for fact in cloud.facts()] == [False] + [True] * 400


async def test_results_and_telemetry_go_under_their_own_verbs(cloud: Cloud) -> None:
    await announced(cloud)
    await cloud.outbox.append("agent", "agent.sampled", {"samples": []}, START, Lane.TELEMETRY)
    await cloud.outbox.append("printer", "command.finished", {"command_id": "c"}, START)
    await cloud.append(1)
    await cloud.clock.until(lambda: cloud.sequences() == [1, 2, 3])
    slots = ["/".join(message.topic.split("/")[5:]) for message in cloud.uplink.published[3:]]
    assert slots == ["telemetry/agent", "result/printer", "event/printer"]


async def test_a_cloud_that_never_acknowledges_is_not_flooded(cloud: Cloud) -> None:
    await announced(cloud)
    await cloud.append(WINDOW_ROWS + 600)
    await cloud.clock.until(lambda: len(cloud.sequences()) >= WINDOW_ROWS)
    sent = len(set(cloud.sequences()))
    assert WINDOW_ROWS <= sent < WINDOW_ROWS + 300
    before = len(cloud.sequences())
    cloud.clock.advance(3 * NUDGE_S)
    await cloud.clock.until(lambda: cloud.sequences()[-1] == 1)
    assert len(cloud.sequences()) <= before + 4
    cloud.tell(Down.ACK, Ack(epoch=1, sequence=sent))
    await cloud.clock.until(lambda: cloud.sequences()[-1] == WINDOW_ROWS + 600)


async def test_a_replay_is_answered_with_the_rows_asked_for(cloud: Cloud) -> None:
    await announced(cloud)
    await cloud.append(9)
    await cloud.clock.until(lambda: len(cloud.sequences()) == 9)
    cloud.uplink.published.clear()
    cloud.tell(Down.REPLAY, Replay.model_validate({"epoch": 1, "from": 3, "to": 5}))
    await cloud.clock.until(lambda: cloud.sequences() == [3, 4, 5])
    cloud.tell(Down.REPLAY, Replay.model_validate({"epoch": 2, "from": 3, "to": 5}))
    cloud.tell(Down.REPLAY, Replay.model_validate({"epoch": 1, "from": 9, "to": 9}))
    await cloud.clock.until(lambda: cloud.sequences() == [3, 4, 5, 9])


async def test_a_hole_is_explained_before_what_comes_after_it(cloud: Cloud) -> None:
    cloud.uplink.reachable = False
    cloud.uplink.cut()
    await cloud.append(1)
    await cloud.append(200, Lane.TELEMETRY, filling="x" * 30_000)
    await cloud.append(1)
    cloud.uplink.published.clear()
    cloud.uplink.reachable = True
    await cloud.clock.until(lambda: cloud.outbox.rows[-1].sequence in cloud.sequences())
    told: set[int] = set()
    for fact in cloud.facts():
        told.add(fact.number)
        if fact.type == "agent.dropped":
            told |= set(range(fact.data["from_sequence"], fact.data["to_sequence"] + 1))
        contiguous = next(number for number in range(1, 10_000) if number not in told) - 1
        assert contiguous >= fact.number or fact.type == "agent.dropped"
    cloud.uplink.published.clear()
    cloud.tell(Down.REPLAY, Replay.model_validate({"epoch": 1, "from": 5, "to": 6}))
    await cloud.clock.until(lambda: [fact.type for fact in cloud.facts()] == ["agent.dropped"])


async def test_desired_and_commands_arrive_and_are_confirmed(cloud: Cloud) -> None:
    await announced(cloud)
    cloud.tell(Down.DESIRED, Twin(version=3, values={"day": "2026-03-02"}))
    await cloud.clock.until(lambda: cloud.desired.agent.day == "2026-03-02")
    body = CommandBody(command_id="c1", name="print", start_by=START + timedelta(seconds=9), run_for_s=5)
    cloud.tell(Down.COMMAND, body, "printer")
    await cloud.clock.until(lambda: cloud.inbox.taken == [("printer", "c1")])
    await cloud.clock.until(lambda: len(cloud.uplink.confirmed) == 2)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (str(Topic(MACHINE, Down.COMMAND, "printer")), b"not json"),
        (str(Topic(MACHINE, Down.COMMAND, "printer")), b'{"command_id": "c"}'),
        (str(Topic("other-1", Down.ACK)), b'{"epoch": 1, "sequence": 1}'),
        (str(Topic(MACHINE, Down.DESIRED)), b'{"version": 1, "values": {"services": 5}}'),
        ("somewhere/else", b"{}"),
    ],
)
async def test_garbage_is_refused_counted_and_does_not_come_again(cloud: Cloud, topic: str, payload: bytes) -> None:
    await announced(cloud)
    cloud.uplink.deliver(topic, payload)
    await cloud.clock.until(lambda: cloud.uplink.confirmed == [payload])
    assert cloud.session.refused_messages == 1
    await cloud.append(1)
    await cloud.clock.until(lambda: cloud.sequences() == [1])


async def test_a_change_of_the_reported_state_is_published_with_a_higher_version(cloud: Cloud) -> None:
    await announced(cloud)
    cloud.reported.set("printer", {"device": "online"})
    cloud.reported.set("printer", {"device": "offline"})
    await cloud.clock.until(lambda: cloud.verbs().count("reported") == 2)
    first, second = [json.loads(m.payload) for m in cloud.uplink.published if "/reported/" in m.topic]
    assert second["version"] > first["version"]
    assert second["values"]["printer"] == {"device": "offline"}


async def test_leaving_on_purpose_says_so(cloud: Cloud) -> None:
    await announced(cloud)
    link = cloud.uplink.link
    assert link is not None
    cloud.uplink.cut()
    await cloud.clock.until(lambda: cloud.verbs().count("presence") == 2)
    assert json.loads(cloud.uplink.published[0].payload)["state"] == "online"


async def test_desired_survives_a_restart_and_the_highest_version_wins(tmp_path: Path) -> None:
    async with machine_file(tmp_path) as file:
        desired = Desired(Values(file))
        await desired.open()
        assert await desired.offer(Twin(version=5, values={"day": "2026-03-02", "later": "field"}))
        assert not await desired.offer(Twin(version=4, values={"day": "2026-03-01"}))
        with pytest.raises(MessageError, match="desired version 6: services"):
            await desired.offer(Twin(version=6, values={"services": 1}))
    async with machine_file(tmp_path) as file:
        desired = Desired(Values(file))
        await desired.open()
        assert (desired.twin.version, desired.agent.day) == (5, "2026-03-02")


async def test_reported_versions_go_on_after_a_restart(tmp_path: Path) -> None:
    async with machine_file(tmp_path) as file:
        reported = Reported(Values(file))
        await reported.open()
        reported.set("agent", {"version": "1"})
        first = (await reported.snapshot()).version
        assert (await reported.snapshot()).version == first
    async with machine_file(tmp_path) as file:
        reported = Reported(Values(file))
        await reported.open()
        assert (await reported.snapshot()).version > first


def test_the_window_is_far_larger_than_what_is_in_flight() -> None:
    assert WINDOW_ROWS > 10 * IN_FLIGHT
