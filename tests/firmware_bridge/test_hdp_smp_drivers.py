"""The HDP drivers over SMP. What they share with the Modbus binding is tested in test_hdp_drivers.py."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, Field
from smp import error, header, os_management, packet
from smp import message as smp_message

from device_profiles.capabilities.caller import CallerKey, KeyPressed
from device_profiles.capabilities.evaluator import Rated
from device_profiles.capabilities.model import Action, DeviceState, Shape
from firmware_bridge.codecs import hdp_smp
from firmware_bridge.codecs.hdp_model import Show
from firmware_bridge.codecs.smp_frame import Operation, SmpCodec, SmpMessage, decode_message, encode_frame
from firmware_bridge.codecs.smp_frame import encode_message as encoded
from firmware_bridge.errors import DeviceFault, PeerBrokeProtocol
from firmware_bridge.framing.smp_serial import ConsoleFrames
from tests.builders.bench import Bench
from tests.builders.tampered import once, open_tampered

PAD, DISPLAY, CALLER = "hdp-smp-evaluator", "hdp-smp-display", "hdp-smp-caller"
STATE = {"hdp": 1, "class": 3, "faults": 0, "seq": 0, "code": 0, "age": 0, "seen": 0}


async def take(bench: Bench) -> list[Shape]:
    """Poll as the agent does: status, events, and a confirmation when each is durable."""
    await bench.driver.status()
    events = await bench.driver.poll()
    for event in events:
        await bench.driver.confirm(event)
    return [event.body for event in events]


def asked(data: bytes) -> SmpMessage:
    """What the host has sent."""
    frames = ConsoleFrames()
    frames.feed(data)
    message = decode_message(frames.next() or b"")
    assert message is not None
    return message


def answering(body: dict[str, object], command: int | None = None) -> Callable[[bytes], bytes | None]:
    """Answers every request (or those of one command) with ``body``."""

    def answer(data: bytes) -> bytes | None:
        request = asked(data)
        if command is not None and request.command != command:
            return None
        reply = SmpMessage(Operation(request.operation + 1), request.group, request.command, request.sequence, body)
        return encode_frame(reply, "console")

    return answer


# ------------------------------------------------------------------------------------------------------ behaviour


@pytest.mark.parametrize("framing", ["console", "cobs"])
async def test_a_rating_is_reported_once_with_its_subject(framing: str) -> None:
    bench, line = await open_tampered(PAD, options={"framing": framing})
    await bench.run("show", mode="ask_rating", subject="t-17")
    bench.press("touch_grade", 4, at=bench.clock.monotonic() + 5)
    await bench.clock.sleep(6)
    assert await take(bench) == [Rated(grade=4, subject="t-17")]
    assert await take(bench) == []
    assert line.snapshot()["events_held"] == 0


async def test_a_display_shows_all_of_it_in_one_step() -> None:
    bench, line = await open_tampered(DISPLAY)
    await bench.run("show", ticket="A012", counter=3, text="请到3号窗口")
    shown = line.snapshot()
    assert (shown["ticket"], shown["counter"], shown["text"], shown["mode"]) == ("A012", 3, "请到3号窗口", "welcome")
    assert len(line.heard) == 1


async def test_a_text_that_does_not_fit_is_cut_at_a_whole_character() -> None:
    bench, line = await open_tampered(DISPLAY)
    await bench.run("show", text="一" * 30)
    assert line.snapshot()["text"] == "一" * 21


async def test_the_keys_are_reported_in_the_order_in_which_they_were_pressed() -> None:
    bench, _ = await open_tampered(CALLER)
    pressed = [*CallerKey, CallerKey.CALL_NEXT, CallerKey.CALL_NEXT]
    for key in pressed:
        bench.press("press_key", key)
    reported: list[Shape] = []
    while events := await take(bench):
        reported += events
    assert reported == [KeyPressed(key=key) for key in pressed]


@pytest.mark.parametrize("lost", ["request", "reply"])
async def test_a_lost_confirmation_neither_loses_nor_doubles_an_event(lost: str) -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    if lost == "request":
        line.instead = lambda data: b"" if asked(data).command == hdp_smp.Command.SEEN else None
    else:
        line.change = lambda data, answers: [] if asked(data).command == hdp_smp.Command.SEEN else answers
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    line.instead = line.change = None
    assert await take(bench) == []
    bench.press("press_key", "start")
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]


async def test_an_event_that_was_first_seen_after_lost_answers_is_still_the_same_one() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    left = [2]

    def lose_two(data: bytes) -> bytes | None:
        left[0] -= 1
        return b"" if left[0] >= 0 else None

    line.instead = lose_two
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    assert await take(bench) == []


async def test_after_a_restart_its_banner_is_skipped_and_events_count_from_one() -> None:
    bench, line = await open_tampered(CALLER)
    bench.press("press_key", "start")
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    await bench.clock.sleep(3)
    bench.press("power_cycle")
    bench.press("press_key", "start")
    assert line.snapshot()["sequence"] == 1
    assert await take(bench) == [KeyPressed(key=CallerKey.START)]
    assert bench.driver.counters()["discarded_bytes"] > 20


async def test_a_log_between_question_and_answer_is_skipped() -> None:
    bench, line = await open_tampered(CALLER)
    line.change = lambda data, answers: [(answers[0][0], b"[00:01] key 3 down\r\nuart:~$ "), *answers]
    assert (await bench.driver.status()).device is DeviceState.ONLINE
    assert bench.driver.counters()["retries"] == 0


async def test_an_answer_to_an_earlier_question_is_told_by_its_number() -> None:
    bench, line = await open_tampered(CALLER)
    await bench.driver.status()
    old = asked(line.heard[-1])
    late = SmpMessage(Operation.READ_REPLY, old.group, old.command, old.sequence, {**STATE, "faults": 9})
    line.change = lambda data, answers: [(answers[0][0], encode_frame(late, "console")), *answers]
    assert (await bench.driver.status()).device is DeviceState.ONLINE
    assert bench.driver.counters()["stale"] == 1


async def test_the_echo_of_its_own_question_is_no_answer() -> None:
    bench, line = await open_tampered(CALLER)
    line.change = lambda data, answers: [(answers[0][0], data), *answers]
    assert (await bench.driver.status()).device is DeviceState.ONLINE


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param({**STATE, "class": 2}, "class", id="another class"),
        pytest.param({**STATE, "hdp": 7}, "version 7", id="a version to come"),
        pytest.param({"class": 3}, "hdp", id="a key is missing"),
        pytest.param({**STATE, "age": "old"}, "age", id="a key of another kind"),
        pytest.param({"rc": 8}, "lacks a command", id="not supported"),
    ],
)
async def test_another_device_is_told_apart(body: dict[str, object], told: str) -> None:
    bench, line = await open_tampered(CALLER)
    line.instead = answering(body)
    with pytest.raises(PeerBrokeProtocol, match=told):
        await bench.driver.identify()


@pytest.mark.parametrize(
    ("body", "code", "action"),
    [
        ({"err": {"group": 64, "rc": 1}}, "invalid_data", Action.SOFTWARE_ERROR),
        ({"err": {"group": 64, "rc": 2}}, "hardware_error", Action.MAINTENANCE),
        ({"rc": 3}, "invalid_data", Action.SOFTWARE_ERROR),
        ({"rc": "what"}, "hardware_error", Action.MAINTENANCE),
    ],
)
async def test_a_refusal_is_a_fault(body: dict[str, object], code: str, action: Action) -> None:
    bench, line = await open_tampered(PAD)
    line.instead = answering(body)
    with pytest.raises(DeviceFault) as fault:
        await bench.run("show", mode="welcome")
    assert (fault.value.code, fault.value.action) == (code, action)


async def test_a_grade_that_does_not_exist_is_let_go_and_told() -> None:
    bench, line = await open_tampered(PAD)
    line.instead = once(answering({**STATE, "class": 1, "seq": 5, "code": 9}))
    with pytest.raises(PeerBrokeProtocol, match="got 9"):
        await bench.driver.poll()
    assert asked(line.heard[-1]).body == {"seen": 5}


async def test_another_user_group_is_an_option_of_both_sides() -> None:
    bench, line = await open_tampered(CALLER, options={"group": 70})
    bench.press("press_key", "open")
    assert await take(bench) == [KeyPressed(key=CallerKey.OPEN)]
    assert {asked(data).group for data in line.heard} == {70}


# ------------------------------------------------------------------------------------------------------ interop


class StateRequest(smp_message.ReadRequest):
    _GROUP_ID = header.UserGroupId(64)
    _COMMAND_ID = 0


class StateResponse(smp_message.ReadResponse):
    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    _GROUP_ID = header.UserGroupId(64)
    _COMMAND_ID = 0

    hdp: int
    device_class: int = Field(alias="class")
    faults: int
    seq: int
    code: int
    age: int
    seen: int


class ShowRequest(smp_message.WriteRequest):
    _GROUP_ID = header.UserGroupId(64)
    _COMMAND_ID = 1

    mode: int
    prefix: int | None = None
    number: int | None = None
    counter: int | None = None
    text: str | None = None


class SeenRequest(smp_message.WriteRequest):
    _GROUP_ID = header.UserGroupId(64)
    _COMMAND_ID = 2

    seen: int


class HdpError(error.ErrorV2[hdp_smp.Refusal]):
    _GROUP_ID = header.UserGroupId(64)


def lines(message: smp_message._MessageBase) -> bytes:
    return b"".join(packet.encode(bytes(message)))


def test_the_smp_package_reads_what_we_send() -> None:
    assert StateRequest.loads(encoded(hdp_smp.read_state(1))).sequence == 1
    assert SeenRequest.loads(encoded(hdp_smp.write_seen(2, 5))).seen == 5
    assert ShowRequest.loads(encoded(hdp_smp.show_mode(3, Show.ASK_RATING))).mode == 2
    shown = ShowRequest.loads(encoded(hdp_smp.show_picture(4, Show.WELCOME, 65, 12, 3, "请")))
    assert (shown.mode, shown.prefix, shown.number, shown.counter, shown.text) == (1, 65, 12, 3, "请")
    echo = SmpMessage(Operation.WRITE, 0, 0, 0x42, {"d": "hall"})
    assert encode_frame(echo, "console") == lines(os_management.EchoWriteRequest(sequence=0x42, d="hall"))


def test_we_read_what_the_smp_package_sends() -> None:
    state = StateResponse(sequence=9, **{**STATE, "hdp": 1, "class": 1, "seq": 5, "code": 4, "age": 3})  # type: ignore[arg-type]
    codec = SmpCodec()
    codec.feed(lines(state))
    answer = codec.next_reply()
    assert answer is not None
    assert answer.answers(hdp_smp.read_state(9))
    block, seen = hdp_smp.parse_state(answer.body)
    assert (block.device_class, block.sequence, block.code, block.age_s, seen) == (1, 5, 4, 0.3, 0)


@pytest.mark.parametrize("code", [*hdp_smp.Refusal])
def test_we_read_the_errors_of_the_smp_package(code: hdp_smp.Refusal) -> None:
    body = {"err": {"group": 64, "rc": int(code)}}
    told = SmpMessage(Operation.WRITE_REPLY, 64, 1, 4, body)
    read = HdpError.loads(encoded(told))
    assert (read.err.group, read.err.rc) == (64, code)
    assert told.refusal == (64, code)


async def test_the_simulated_device_understands_the_smp_package() -> None:
    bench, line = await open_tampered(PAD)
    line.peer.receive(lines(ShowRequest(mode=2, text="请评价")), 1.0)
    assert (line.snapshot()["mode"], line.snapshot()["text"]) == ("ask_rating", "请评价")
    bench.press("touch_grade", 5)
    ((_, answer),) = line.peer.receive(lines(StateRequest(sequence=7)), 1.3)
    state = StateResponse.loads(_message(answer))
    assert (state.device_class, state.seq, state.code, state.seen) == (1, 1, 5, 0)
    line.peer.receive(lines(SeenRequest(seen=1)), 1.4)
    assert line.snapshot()["events_held"] == 0


async def test_the_simulated_device_has_echo_parameters_and_reset() -> None:
    _, line = await open_tampered(PAD)
    ((_, answer),) = line.peer.receive(lines(os_management.EchoWriteRequest(sequence=0x42, d="hall")), 1.0)
    assert answer.hex(" ").upper().startswith("06 09 41 42 49 4C 41 41 41 49 41 41 42 43")
    assert os_management.EchoWriteResponse.loads(_message(answer)).r == "hall"
    ((_, answer),) = line.peer.receive(lines(os_management.MCUMgrParametersReadRequest()), 1.0)
    assert os_management.MCUMgrParametersReadResponse.loads(_message(answer)).buf_size == 384
    ((_, answer),) = line.peer.receive(lines(os_management.ResetWriteRequest()), 1.0)
    assert os_management.ResetWriteResponse.loads(_message(answer)).header.command_id == 5
    assert line.peer.advance(1.1)[0][1].startswith(b"*** Booting")


# ------------------------------------------------------------------------------------------------------ bytes


BODIES = st.dictionaries(
    st.text(max_size=12),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20) | st.binary(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=6,
)


@given(
    operation=st.sampled_from(Operation),
    group=st.integers(0, 0xFFFF),
    command=st.integers(0, 255),
    sequence=st.integers(0, 255),
    body=BODIES,
)
def test_a_message_survives_the_wire(
    operation: Operation, group: int, command: int, sequence: int, body: dict[str, object]
) -> None:
    message = SmpMessage(operation, group, command, sequence, body)
    assert decode_message(encoded(message)) == message


@given(data=st.binary(max_size=40))
def test_no_bytes_make_the_decoder_fail(data: bytes) -> None:
    decode_message(data)
    decode_message(b"\x09\x00" + len(data).to_bytes(2) + b"\x00\x40\x01\x00" + data)


@pytest.mark.parametrize("body", ["d8236128", "a1616bc11a514b67b0", "a1616bd9d9f7a0", "81a0", "a10102", "f6"])
def test_tags_and_bodies_that_are_no_map_are_refused(body: str) -> None:
    data = bytes.fromhex(body)
    assert decode_message(b"\x09\x00" + len(data).to_bytes(2) + b"\x00\x40\x01\x00" + data) is None


def _message(data: bytes) -> bytes:
    frames = ConsoleFrames()
    frames.feed(data)
    message = frames.next()
    assert message is not None
    return message
