"""Topics: MSG-01 to MSG-05."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.errors import MessageError
from device_profiles.messages import topics
from device_profiles.messages.topics import Down, Topic, Up

machines = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)
slots = st.from_regex(r"[a-z0-9_]{1,40}", fullmatch=True)
verbs: st.SearchStrategy[Up | Down] = st.sampled_from([*Up, *Down])


@given(st.builds(Topic, machines, verbs, slots))
def test_msg_01_a_topic_survives_writing_and_parsing(topic: Topic) -> None:
    assert topics.parse(str(topic)) == topic
    assert str(topic).startswith("hallfleet/v1/")


@given(st.text() | st.text(alphabet="hallfleet/v1updown+#-_09", max_size=80))
def test_msg_01_any_other_text_is_a_message_error(text: str) -> None:
    try:
        topic = topics.parse(text)
    except MessageError:
        return
    assert str(topic) == text


def test_msg_01_example_of_the_contract() -> None:
    topic = Topic("kiosk-1", Up.EVENT, "printer")
    assert str(topic) == f"hallfleet/v1/{sha256(b'kiosk-1').hexdigest()[:2]}/kiosk-1/up/event/printer"


@given(machines)
def test_msg_02_another_shard_is_refused(machine: str) -> None:
    right = topics.shard_of(machine)
    wrong = f"{(int(right, 16) + 1) % 256:02x}"
    with pytest.raises(MessageError, match=f"shard of {machine} is {right}"):
        topics.parse(f"hallfleet/v1/{wrong}/{machine}/up/event/agent")


@pytest.mark.parametrize(
    "machine", ["", "-a", "a-", "A", "a.b", "a/b", "a+", "a#", "a" * 64, "柜", "kiosk 1", "kiosk-1\n"]
)
def test_msg_03_wrong_machine_ids_are_refused(machine: str) -> None:
    with pytest.raises(MessageError, match="machine id"):
        Topic(machine, Up.EVENT)
    with pytest.raises(MessageError):
        topics.parse(f"hallfleet/v1/{topics.shard_of(machine)}/{machine}/up/event/agent")


@pytest.mark.parametrize("slot", ["", "a-b", "A", "a" * 41, "a/b", "+", "#", "agent\n"])
def test_msg_03_wrong_slots_are_refused(slot: str) -> None:
    with pytest.raises(MessageError):
        Topic("kiosk-1", Up.EVENT, slot)
    with pytest.raises(MessageError):
        topics.parse(f"hallfleet/v1/{topics.shard_of('kiosk-1')}/kiosk-1/up/event/{slot}")


@pytest.mark.parametrize("way_and_verb", ["up/command", "down/event", "up/", "sideways/event", "up/EVENT", "/presence"])
def test_msg_04_other_pairs_of_way_and_verb_are_refused(way_and_verb: str) -> None:
    with pytest.raises(MessageError, match="expected one of up/presence"):
        topics.parse(f"hallfleet/v1/{topics.shard_of('kiosk-1')}/kiosk-1/{way_and_verb}/agent")


def test_msg_04_the_verbs_are_those_of_the_contract() -> None:
    assert set(Up) == {"presence", "inventory", "reported", "event", "telemetry", "result"}
    assert set(Down) == {"desired", "command", "ack", "replay"}


@given(machines)
def test_msg_04_a_machine_listens_to_its_own_down_only(machine: str) -> None:
    own = topics.machine_filter(machine).removesuffix("#")
    assert all(str(Topic(machine, verb)).startswith(own) for verb in Down)
    assert not any(str(Topic(machine, verb)).startswith(own) for verb in Up)


def test_msg_05_the_clouds_presence_is_no_topic_of_a_machine() -> None:
    with pytest.raises(MessageError):
        topics.parse(topics.CLOUD_PRESENCE)
    assert topics.CLOUD_PRESENCE == "hallfleet/v1/cloud/presence"


def test_an_ingest_worker_takes_one_shard_or_all() -> None:
    assert topics.ingest_filter() == "hallfleet/v1/+/+/up/#"
    assert topics.ingest_filter("0a") == "hallfleet/v1/0a/+/up/#"
